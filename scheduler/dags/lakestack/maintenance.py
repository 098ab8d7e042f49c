"""The tasks that look after a table."""

from collections.abc import Mapping
from typing import Any

from lakestack.sources import Source
from lakestack.spark_job import SparkJobOperator


class CompactOperator(SparkJobOperator):
    """Makes few large files out of a table's many small ones."""

    def __init__(self, *, source: Source, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(source=source, cores=source.cores, **kwargs)

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """The source alone: what to do is declared there."""
        return ["compact", "--source", self.source]


class SweepOperator(SparkJobOperator):
    """Removes the files that no state of a table needs any more, as the run's parameters say."""

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """The source, how far back its table stays readable, and how old a file has to be."""
        days = [f"--{name.replace('_', '-')}={context['params'][name]}" for name in ("keep_days", "orphan_days")]
        return ["sweep", "--source", self.source, *days]
