"""The declared sources, as the stack's program has checked and rendered them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakestack_jobs.job_error import JobError


@dataclass(frozen=True)
class Column:
    """
    A column of a table.

    Args:
        name: Its name.
        spark_type: Its type as Spark spells it.
        other_field: The field of the JSON objects that it reads, if that is not called like it.
    """

    name: str
    spark_type: str
    other_field: str | None = None

    @property
    def field(self) -> str:
        """The field that it reads."""
        return self.other_field or self.name


@dataclass(frozen=True)
class PartitionField:
    """`field` is as Trino spells it, for example day(placed); `spark_field` as Spark does."""

    field: str
    spark_field: str


@dataclass(frozen=True)
class Maintenance:
    """
    How a table is looked after.

    Args:
        compaction: sort (by the key), bin-pack or none.
        target_file_mib: How large compaction makes files.
        small_files: From how many small files on a partition is compacted.
        keep_days: How far back the table can be read as it was.
        orphan_days: How long a file that nothing refers to is left alone.
    """

    compaction: str
    target_file_mib: int
    small_files: int
    keep_days: float
    orphan_days: float


@dataclass(frozen=True)
class Source:
    """
    A declared source.

    Args:
        name: Its name.
        location: The folder above the days' folders, ending in "/".
        dates: How a day's folder is called, in the words of strftime.
        format: json-lines, json-array, csv or parquet.
        table: "<namespace>.<table>" inside the catalog.
        key: The columns whose values together are unique; none if rows are appended.
        on_existing_key: insert (leave the row in the table), upsert (replace it by a newer one) or append.
        version: With upsert the column whose higher value is the newer row, else None.
        columns: What is read from the objects.
        lineage: What the system appends to every row.
        partitioning: How a new table is partitioned.
        skips_empty: Whether a run without objects is a success.
        max_rejected_percent: With more of its lines faulty, a batch is refused whole.
        evolve: Whether new columns and wider types change the table.
        maintenance: How the table is looked after.
    """

    name: str
    location: str
    dates: str
    format: str
    table: str
    key: tuple[str, ...]
    on_existing_key: str
    version: str | None
    columns: tuple[Column, ...]
    lineage: tuple[Column, ...]
    partitioning: tuple[PartitionField, ...]
    skips_empty: bool
    max_rejected_percent: float
    evolve: bool
    maintenance: Maintenance

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
        dates=declared["dates"],
        format=declared["format"],
        table=declared["table"],
        key=tuple(declared["key"]),
        on_existing_key=declared["onExistingKey"],
        version=declared.get("versionColumn"),
        columns=tuple(
            Column(column["name"], column["sparkType"], column.get("field")) for column in declared["columns"]
        ),
        lineage=tuple(Column(column["name"], column["sparkType"]) for column in declared["lineage"]),
        partitioning=tuple(PartitionField(part["field"], part["sparkField"]) for part in declared["partitioning"]),
        skips_empty=declared["onEmpty"] == "skip",
        max_rejected_percent=float(declared["maxRejectedPercent"]),
        evolve=declared["evolve"],
        maintenance=_maintenance(declared["maintenance"]),
    )


def _maintenance(declared: Mapping[str, Any]) -> Maintenance:
    return Maintenance(
        compaction=declared["compaction"],
        target_file_mib=declared["targetFileMiB"],
        small_files=declared["smallFiles"],
        keep_days=float(declared["keepDays"]),
        orphan_days=float(declared["orphanDays"]),
    )
