"""Ingests the objects of an interval of days into the table of their source."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.damage import find_damage
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Batch, Interval, empty_message, list_batch
from lakestack_jobs.quarantine import keep_aside
from lakestack_jobs.rows import mark_duplicates, parse, read_lines
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import ensure_table, merge

# A shuffle of less text than this is one task's work; of more, as many tasks as Spark takes by itself, or one for each
# such portion of the text.
_TASK_BYTES = 64 << 20


@dataclass(frozen=True)
class Result:
    """
    What a run did. `read` is the sum of `duplicates` (more of a key inside the batch), `already_present` (in the table
    before), `inserted` and `rejected` (lines that are no rows). `quarantined` are the entries that this run added to
    the quarantine table: rejected lines and damaged files that were not there yet.
    """

    source: str
    table: str
    start: str
    end: str
    run_id: str
    files: int
    read: int
    duplicates: int
    already_present: int
    inserted: int
    rejected: int
    damaged_files: int
    quarantined: int
    seconds: float

    def __str__(self) -> str:
        damaged = f", {self.damaged_files} damaged files" if self.damaged_files else ""
        return (
            f"{self.source} {self.start}..{self.end}: {self.read} rows read from {self.files} files, {self.duplicates} "
            f"duplicates inside the batch, {self.already_present} already present, {self.inserted} inserted, "
            f"{self.rejected} rejected{damaged} ({self.seconds:.1f} s)"
        )

    def as_dict(self) -> dict[str, str | int | float]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Counts:
    read: int
    duplicates: int
    rejected: int

    @property
    def unique(self) -> int:
        return self.read - self.duplicates - self.rejected


def ingest(
    spark: SparkSession, source: Source, interval: Interval, run_id: str, *, location: str | None = None
) -> Result:
    """
    Ingests an interval. Run again, it adds nothing.

    Args:
        spark: A session whose catalog `iceberg` holds the tables.
        source: What to read, and into which table.
        interval: Which days.
        run_id: Names the run in the snapshot's summary and in the quarantine table.
        location: Where the days' folders are, in place of the source's own location; ends in "/".

    Raises:
        JobError: there is no data in the interval, or no bucket or prefix, or the table has other columns.
    """
    began = time.monotonic()
    created_at = datetime.now(UTC)
    location = location or source.location

    batch = list_batch(spark, location, interval)
    if not batch.objects and not source.skips_empty:
        raise JobError(empty_message(location, interval))
    table = ensure_table(spark, source.table, source.table_columns)
    counts, already_present, inserted, quarantined = _Counts(0, 0, 0), 0, 0, 0
    damage: Mapping[str, str] = {}
    if batch.objects:
        spark.conf.set("spark.sql.shuffle.partitions", _shuffle_partitions(batch.text_bytes))
        with _counted(spark, source, batch) as (marked, counts, damage):
            rows = _table_rows(marked, source, created_at)
            summary = _summary(source, interval, run_id, counts)
            merged = merge(spark, table, rows, count=counts.unique, key=source.key, summary=summary)
            already_present, inserted = merged.already_present, merged.inserted
            if counts.rejected or damage:
                faulty = marked.where("fault IS NOT NULL").select("source_file_name").distinct().collect()
                files = [row.source_file_name for row in faulty]
                quarantined = keep_aside(spark, source, files, damage, run_id=run_id, created_at=created_at)
    return Result(
        source=source.name,
        table=table,
        start=str(interval.start),
        end=str(interval.end),
        run_id=run_id,
        files=len(batch.objects),
        read=counts.read,
        duplicates=counts.duplicates,
        already_present=already_present,
        inserted=inserted,
        rejected=counts.rejected,
        damaged_files=len(damage),
        quarantined=quarantined,
        seconds=round(time.monotonic() - began, 1),
    )


@contextmanager
def _counted(
    spark: SparkSession, source: Source, batch: Batch
) -> Iterator[tuple[DataFrame, _Counts, Mapping[str, str]]]:
    """
    The batch, parsed, cached (in memory, and on disk what does not fit) and counted.

    If it can't be read, the compressed objects are looked at one by one: damaged ones are read as far as they go.
    """
    marked = mark_duplicates(parse(read_lines(spark, batch.folders), source), source).persist()
    damage: dict[str, str] = {}
    try:
        try:
            counts = _count(marked)
        except (Py4JJavaError, PySparkException):
            damage = find_damage(spark, batch.objects)
            if not damage:
                raise
            print(f"{len(damage)} damaged files are read as far as they go: {', '.join(damage)}", flush=True)
            marked.unpersist()
            lines = read_lines(spark, list(damage), despite_damage=True)
            intact = [entry.path for entry in batch.objects if entry.path not in damage]
            if intact:
                lines = lines.unionByName(read_lines(spark, intact))
            marked = mark_duplicates(parse(lines, source), source).persist()
            counts = _count(marked)
        yield marked, counts, damage
    finally:
        marked.unpersist()


def _count(marked: DataFrame) -> _Counts:
    read, duplicates, rejected = F.count("*"), F.count_if("duplicate"), F.count_if(F.col("fault").isNotNull())
    row = marked.agg(read.alias("read"), duplicates.alias("duplicates"), rejected.alias("rejected")).first()
    assert row is not None, "an aggregate without groups has one row"
    return _Counts(row.read, row.duplicates, row.rejected)


def _table_rows(marked: DataFrame, source: Source, created_at: datetime) -> DataFrame:
    """The rows for the table, each key once."""
    return marked.where(F.col("fault").isNull() & ~F.col("duplicate")).select(
        "record.*", F.lit(created_at).alias("created_at_etl"), "source_file_name"
    )


def _summary(source: Source, interval: Interval, run_id: str, counts: _Counts) -> dict[str, str]:
    """What the snapshot says about the batch that made it."""
    return {
        "lakestack.source": source.name,
        "lakestack.interval": str(interval),
        "lakestack.run-id": run_id,
        "lakestack.rows-read": str(counts.read),
        "lakestack.rows-rejected": str(counts.rejected),
    }


def _shuffle_partitions(text_bytes: int) -> int:
    if text_bytes <= _TASK_BYTES:
        return 1
    return max(200, math.ceil(text_bytes / _TASK_BYTES))
