"""The declared sources, as the stack's program has checked and rendered them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakestack_jobs.job_error import JobError


@dataclass(frozen=True)
class Column:
    """A column of a table; `spark_type` is its type as Spark spells it."""

    name: str
    spark_type: str


@dataclass(frozen=True)
class Source:
    """
    A declared source.

    `columns` is what is read from the objects, `lineage` what the system appends to every row. `location` is the
    folder above YYYY/MM/DD, ending in "/". `table` is "<namespace>.<table>" inside the catalog. With more than
    `max_rejected_percent` of its lines faulty, a batch is refused whole.
    """

    name: str
    location: str
    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    lineage: tuple[Column, ...]
    skips_empty: bool
    max_rejected_percent: float

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """All columns of the table, in its order."""
        return self.columns + self.lineage


def read_source(path: Path, name: str) -> Source:
    """
    Finds a source by its name.

    Raises:
        JobError: the file is not there or not JSON, or no source has this name.
    """
    try:
        declared = json.loads(path.read_text())
        sources = {source["name"]: parse_source(source) for source in declared}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(
            f"{path} does not hold the declared sources ({error!r}). It is rendered from sources.yaml: run pulumi up."
        ) from error
    if name not in sources:
        raise JobError(
            f'No source is called "{name}". Declared are {", ".join(sources)}. '
            "Declare it in sources.yaml and run pulumi up."
        )
    return sources[name]


def parse_source(declared: Mapping[str, Any]) -> Source:
    """The source that a JSON object describes."""
    return Source(
        name=declared["name"],
        location=f"s3a://{declared['bucket']}/{declared['prefix']}",
        table=declared["table"],
        key=tuple(declared["key"]),
        columns=tuple(Column(column["name"], column["sparkType"]) for column in declared["columns"]),
        lineage=tuple(Column(column["name"], column["sparkType"]) for column in declared["lineage"]),
        skips_empty=declared["onEmpty"] == "skip",
        max_rejected_percent=float(declared["maxRejectedPercent"]),
    )
