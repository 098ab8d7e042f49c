"""A task that is one Spark application of its own: driver beside the task, executors on the cluster."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow.sdk import BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lakestack.drivers import Place, free_place
from lakestack.lineage import told_lineage
from lakestack.sources import Source

_JOB = "/opt/lakestack/jobs/lakestack_jobs/__main__.py"
# A small job costs its JVMs more than its data: with the first compiler alone the ingest of a month of sample data
# takes 15 s of a core in place of 35, and 200,000 rows (120 MB) still 55 in place of 77. For large batches the job has
# executors with both, by extraJavaOptions, which come after these.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# With that compiler there is room for 48 MiB of code, which the queries of many jobs fill.
_CODE_CACHE = "-XX:ReservedCodeCacheSize=240m"
# A driver that stays collects its garbage after each job; by default it would then keep over twice what it holds.
_SMALL_HEAP = "-XX:MinHeapFreeRatio=20 -XX:MaxHeapFreeRatio=40"
_RESULT, _FAILURE = "LAKESTACK_RESULT ", "LAKESTACK_FAILURE "


class SparkJobOperator(BaseOperator):
    """
    Runs a job of the package lakestack_jobs. What the job reports becomes the task's return value.

    A failure is told in one sentence, the job's own: no data, no bucket, another table. Trying again does not mend
    those, so they fail the task at once; everything else is left to its retries. (Airflow's SparkSubmitOperator fails
    with the whole command and the last 500 lines of Java, and hands no result on.)

    Args:
        source: The declared source that the job is about.
        conn_id: Connection to the Spark master.
        cores: Of the cluster, for one job: with one each, as many jobs run at a time as the cluster has cores. Each is
            an executor of its own, with its own memory, for that is how workers are cut.
    """

    def __init__(
        self,
        *,
        source: Source,
        conn_id: str = "spark_default",
        cores: int = 1,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**kwargs)
        self.source = source.name
        self.conn_id = conn_id
        self.cores = cores
        self._process: subprocess.Popen[str] | None = None
        self._place: Place | None = None

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """The job's name and arguments."""
        raise NotImplementedError

    def tags(self, context: Mapping[str, Any]) -> dict[str, str]:
        """What tells the job from others in the events about its lineage."""
        return {"source": self.source, "run": context["run_id"]}

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the job to its end and returns what it reports."""
        result: dict[str, Any] | None = None
        failure: dict[str, Any] | None = None
        last = "it printed nothing"
        name, *arguments = self.job(context)
        with told_lineage(context, f"{name}_{self.source}", self.tags(context)) as settings:
            for line in self._run([name, "--cores", str(self.cores), *arguments, *settings]):
                if line.startswith(_RESULT):
                    result = json.loads(line.removeprefix(_RESULT))
                elif line.startswith(_FAILURE):
                    failure = json.loads(line.removeprefix(_FAILURE))
                if line:
                    self.log.info(line)
                    last = line
        if failure is not None:
            raise (AirflowException if failure["retry"] else AirflowFailException)(failure["message"])
        if result is None:
            raise AirflowException(f"spark-submit ended without a result; its last line: {last}")
        return result

    def on_kill(self) -> None:
        """Ends the driver; the cluster then frees the executors."""
        if self._place is not None:
            self._place.stop()
        if self._process is not None:
            self._process.terminate()

    def _run(self, job: Sequence[str]) -> Iterator[str]:
        """Has the job done by a driver that stays, if there is or soon will be place for one, else by its own."""
        with free_place(int(os.environ.get("LAKESTACK_WARM_DRIVERS", "0"))) as self._place:
            if self._place is None:
                yield from self._submit([*self._command(), *job])
            else:
                yield from self._place.run([*self._command(), "serve", "--socket"], job)

    def _submit(self, command: Sequence[str]) -> Iterator[str]:
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.rstrip()
        self._process.wait()

    def _command(self) -> list[str]:
        settings = {
            "spark.executor.cores": "1",
            "spark.executor.memory": os.environ.get("LAKESTACK_EXECUTOR_MEMORY", "1g"),
            "spark.driver.memory": os.environ.get("LAKESTACK_DRIVER_MEMORY", "512m"),
            "spark.driver.defaultJavaOptions": f"{_JAVA_OPTIONS} {_CODE_CACHE} {_SMALL_HEAP}",
            "spark.executor.defaultJavaOptions": _JAVA_OPTIONS,
            # What goes wrong, and the job's own lines.
            "spark.log.level": "WARN",
            "spark.ui.showConsoleProgress": "false",
        }
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        return ["spark-submit", "--master", self._master(), *options, _JOB]

    def _master(self) -> str:
        connection = BaseHook.get_connection(self.conn_id)
        host = connection.host or ""
        address = host if "://" in host or host.startswith("local") else f"spark://{host}"
        return f"{address}:{connection.port}" if connection.port else address
