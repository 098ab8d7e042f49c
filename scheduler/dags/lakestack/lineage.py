"""What a Spark job has read and written, as OpenLineage events: told by its driver to a file, and by its task."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_log = logging.getLogger("lakestack.lineage")
_LISTENER = "io.openlineage.spark.agent.OpenLineageSparkListener"


@contextmanager
def told_lineage(context: Mapping[str, Any], job: str, tags: Mapping[str, str]) -> Iterator[list[str]]:
    """
    Has a Spark job tell of its lineage, if the stack wants it told.

    The driver writes its events to a file: it needs no keys for that, and does not wait for anybody. They are sent in
    one when the job is over, also when it has failed. Whether that succeeds makes no difference to the task.

    Args:
        context: Of the task.
        job: What the job is called in the events, the same for every run.
        tags: What tells one run from others.

    Yields:
        Arguments for the job.
    """
    from airflow.providers.openlineage import conf

    if conf.is_disabled():
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="lakestack-lineage-") as folder:
        events = Path(folder) / "events.jsonl"
        settings = {**_settings(job, tags), **_parents(context["ti"]), "spark.openlineage.transport.location": events}
        try:
            yield [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        finally:
            _send(events)


def _settings(job: str, tags: Mapping[str, str]) -> dict[str, Any]:
    from airflow.providers.openlineage.plugins import macros

    return {
        "spark.extraListeners": _LISTENER,
        "spark.openlineage.namespace": macros.lineage_job_namespace(),
        "spark.openlineage.appName": job,
        "spark.openlineage.run.tags": ";".join(f"{name}:{_escaped(value)}" for name, value in tags.items()),
        "spark.openlineage.transport.type": "file",
    }


def _parents(task_instance: Any) -> dict[str, str]:  # noqa: ANN401
    """The run of the task, in whose events Airflow tells of the rest."""
    from airflow.providers.openlineage.plugins import macros

    return {
        "spark.openlineage.parentJobNamespace": macros.lineage_job_namespace(),
        "spark.openlineage.parentJobName": macros.lineage_job_name(task_instance),
        "spark.openlineage.parentRunId": macros.lineage_run_id(task_instance),
        "spark.openlineage.rootParentJobNamespace": macros.lineage_root_job_namespace(task_instance),
        "spark.openlineage.rootParentJobName": macros.lineage_root_job_name(task_instance),
        "spark.openlineage.rootParentRunId": macros.lineage_root_run_id(task_instance),
    }


def _escaped(value: str) -> str:
    """A tag's value, in which colons and semicolons end nothing."""
    return value.replace(":", "\\:").replace(";", "\\;")


def _send(events: Path) -> None:
    """To where Airflow's own events go."""
    try:
        # Missing if the driver has not come so far; its last line may be half of one if it was ended.
        lines = [line for line in events.read_text().splitlines() if _is_whole(line)] if events.exists() else []
        if lines:
            _transmit(lines)
            _log.info("Told of the lineage of the job in %s events", len(lines))
    except Exception as error:
        _log.warning("The lineage of the job could not be told: %s", error)


def _transmit(events: Sequence[str]) -> None:
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

    transport: Any = OpenLineageAdapter().get_or_create_openlineage_client().transport
    if transport.kind == "bucket":
        transport.add(events)
        return
    for event in events:
        transport.emit(json.loads(event))


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
