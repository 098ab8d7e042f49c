"""The task that tries again the rows which were kept aside."""

from collections.abc import Mapping
from typing import Any

from lakestack.assets import batch_of
from lakestack.spark_job import SparkJobOperator


class ReplayOperator(SparkJobOperator):
    """
    Replays a source's quarantine, or discards entries of it, as the run's parameters say. Those who wait for the
    table's asset are told of the days whose rows have come.
    """

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """Which entries, and the name of the run, which they then bear."""
        params = context["params"]
        chosen = [f"--{name}={params[name]}" for name in ("reason", "day") if params[name]]
        flags = [f"--{name}" for name in ("repaired", "discard") if params[name]]
        return ["replay", "--source", self.source, "--run-id", context["run_id"], *chosen, *flags]

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the job and tells of its rows."""
        result = super().execute(context)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = batch_of(result)
        return result
