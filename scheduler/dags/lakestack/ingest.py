"""The task that ingests."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from lakestack.assets import batch_of
from lakestack.intervals import Days
from lakestack.sources import Source
from lakestack.spark_job import SparkJobOperator


class IngestOperator(SparkJobOperator):
    """
    Ingests days of a source. The counts that the job records become the task's return value, and those who wait for the
    table's asset are told of the batch.

    Args:
        source: A declared source.
        days: Which days a run ingests.
        late_days: How many days before those are read again.
        only_new: Reads only objects that the table does not have yet. Without any, the task is skipped, and nobody is
            told of a batch.
        local: Whether few data are read by the job's driver, without the cluster. How much that is, the stack says.
    """

    def __init__(
        self,
        *,
        source: Source,
        days: Callable[[Mapping[str, Any]], Days],
        late_days: int = 0,
        only_new: bool = False,
        local: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(source=source, cores=source.cores, **kwargs)
        self.days = days
        self.late_days = late_days
        self.only_new = only_new
        self.local = local

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """The days of the run, and its name, by which its commit is known."""
        start, end = self.days(context)
        self.log.info("Ingesting %s from %s to %s (not included)", self.source, start, end)
        arguments = ["--source", self.source, "--start", str(start), "--end", str(end), "--run-id", context["run_id"]]
        if self.late_days:
            arguments += ["--late-days", str(self.late_days)]
        if self.only_new:
            arguments.append("--only-new")
        if self.local:
            arguments += ["--local-mib", os.environ.get("LAKESTACK_LOCAL_MIB", "0")]
        return ["ingest", *arguments]

    def tags(self, context: Mapping[str, Any]) -> dict[str, str]:
        """The days of the run as well."""
        start, end = self.days(context)
        return {**super().tags(context), "start": str(start), "end": str(end)}

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the job and tells of its batch."""
        result = super().execute(context)
        if self.only_new and not result["files"] and not result["committed_before"]:
            raise AirflowSkipException(f"Nothing new: {result['files_before']} objects were read before")
        for asset in self.outlets:
            context["outlet_events"][asset].extra = batch_of(result)
        return result
