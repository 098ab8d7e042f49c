"""Ingests the objects of an interval of days into the table of their source."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.damage import find_damage
from lakestack_jobs.formats import Reader, open_batch
from lakestack_jobs.identity import Commit, Identity, batch_name, count_properties, find_commit
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Batch, Interval, empty_message, layout_of, list_batch
from lakestack_jobs.quarantine import Fault, examples, faults_of, keep_aside
from lakestack_jobs.rows import mark_duplicates
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import NO_PROPERTIES, Merged, ensure_table, merge
from lakestack_jobs.upserts import PROPERTIES, upsert

# A shuffle of less text than this is one task's work; of more, as many tasks as Spark takes by itself, or one for each
# such portion of the text.
_TASK_BYTES = 64 << 20


@dataclass(frozen=True)
class Result:
    """
    What a run did.

    `read` is the sum of `duplicates` (more of a key inside the batch), `already_present` (in the table before, and left
    as it was), `inserted`, `updated` (a newer version of a row in the table) and `rejected` (lines that are no rows).
    `quarantined` are the entries that this run added to the quarantine table: rejected lines and damaged files that
    were not there yet. `committed_before`: the run had committed and is tried again; it adds nothing, and the counts
    are those of its commit.
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
    updated: int
    rejected: int
    damaged_files: int
    quarantined: int
    committed_before: bool
    seconds: float

    def __str__(self) -> str:
        damaged = f", {self.damaged_files} damaged files" if self.damaged_files else ""
        updated = f"{self.updated} updated, " if self.updated else ""
        before = "this run has committed before, and adds nothing now; then " if self.committed_before else ""
        return (
            f"{self.source} {self.start}..{self.end}: {before}{self.read} rows read from {self.files} files, "
            f"{self.duplicates} duplicates inside the batch, {self.already_present} already present, "
            f"{self.inserted} inserted, {updated}{self.rejected} rejected{damaged} ({self.seconds:.1f} s)"
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


@dataclass(frozen=True)
class _Outcome:
    """The part of a result that the batch's data decide."""

    read: int = 0
    duplicates: int = 0
    rejected: int = 0
    damaged_files: int = 0
    quarantined: int = 0
    already_present: int = 0
    inserted: int = 0
    updated: int = 0
    committed_before: bool = False


def ingest(
    spark: SparkSession,
    source: Source,
    interval: Interval,
    run_id: str,
    *,
    late_days: int = 0,
    location: str | None = None,
) -> Result:
    """
    Ingests an interval. Run again, it adds nothing.

    Faulty lines go to the quarantine table first, then all rows to the table in one snapshot: when it is there, the
    whole run is done.

    Args:
        spark: A session whose catalog `iceberg` holds the tables.
        source: What to read, and into which table.
        interval: Which days.
        run_id: Names the run in the snapshot's summary and in the quarantine table.
        late_days: How many days before the interval are read again, for objects that came late.
        location: Where the days' folders are, in place of the source's own location; ends in "/".

    Raises:
        JobError: there is no data in the interval, or no bucket or prefix, or the table has other columns, or too much
            of the data is faulty.
    """
    began = time.monotonic()
    layout = layout_of(source if location is None else replace(source, location=location))
    batch = list_batch(spark, layout, interval, late_days)
    if not batch.own and not source.skips_empty:
        raise JobError(empty_message(layout, interval))
    table = ensure_table(
        spark,
        source.table,
        source.table_columns,
        partitioning=source.partitioning,
        properties=PROPERTIES if source.version else NO_PROPERTIES,
    )
    identity = Identity(source.name, interval, run_id, batch_name(batch.objects))
    outcome = _ingest_batch(spark, source, batch, table, identity) if batch.objects else _Outcome()
    return Result(
        source=source.name,
        table=table,
        start=str(interval.start),
        end=str(interval.end),
        run_id=run_id,
        files=len(batch.objects),
        seconds=round(time.monotonic() - began, 1),
        **asdict(outcome),
    )


def _ingest_batch(spark: SparkSession, source: Source, batch: Batch, table: str, identity: Identity) -> _Outcome:
    commit = find_commit(spark, table, identity)
    if commit is not None:
        return _outcome_of(commit)
    created_at = datetime.now(UTC)
    spark.conf.set("spark.sql.shuffle.partitions", _shuffle_partitions(batch.text_bytes))
    reader = open_batch(spark, source, batch)
    with _counted(spark, source, batch, reader) as (marked, counts, damage):
        quarantined = 0
        if counts.rejected or damage:
            quarantined = _set_aside(spark, source, reader, marked, counts, damage, identity, created_at)
        done = {**asdict(counts), "damaged_files": len(damage), "quarantined": quarantined}
        summary = {**identity.properties(), **_as_properties(done)}
        rows = _table_rows(marked, created_at)
        merged = _merge(spark, source, table, rows, counts.unique, summary)
        return _Outcome(**asdict(merged), **done)


def _merge(
    spark: SparkSession, source: Source, table: str, rows: DataFrame, count: int, summary: Mapping[str, str]
) -> Merged:
    """Brings the rows into the table, as the source wants it done."""
    if source.version is not None:
        return upsert(spark, table, rows, count=count, key=source.key, version=source.version, summary=summary)
    if source.key:
        return merge(spark, table, rows, count=count, key=source.key, summary=summary)
    # Appended once an object: what the table has of an object is all of it, for a commit is whole or not there.
    return merge(spark, table, rows, count=count, key=["source_file_name"], unique=False, summary=summary)


def _as_properties(done: Mapping[str, int]) -> dict[str, str]:
    return count_properties(**{_property(name): count for name, count in done.items()})


def _property(name: str) -> str:
    """What a count of the result is called in a snapshot's summary."""
    return name if name in ("damaged_files", "quarantined") else f"rows_{name}"


def _outcome_of(commit: Commit) -> _Outcome:
    names = [field.name for field in fields(_Outcome) if field.name != "committed_before"]
    counts = {name: commit.counts.get(_property(name).replace("_", "-"), 0) for name in names}
    return _Outcome(committed_before=True, **counts)


def _set_aside(
    spark: SparkSession,
    source: Source,
    reader: Reader,
    marked: DataFrame,
    counts: _Counts,
    damage: Mapping[str, str],
    identity: Identity,
    created_at: datetime,
) -> int:
    """
    Keeps the faulty lines aside; returns how many are new there.

    Raises:
        JobError: they are too many. A damaged file does not count, for nobody knows how many lines it has lost, unless
            the batch has not one good row.
    """
    files = [row[0] for row in marked.where("fault IS NOT NULL").select("source_file_name").distinct().collect()]
    with faults_of(spark, source, reader, files, damage) as faults:
        if 100 * counts.rejected > source.max_rejected_percent * counts.read or (
            counts.rejected == counts.read and source.max_rejected_percent < 100
        ):
            raise JobError(_too_many(source, identity.interval, counts, damage, examples(faults, 3)))
        return keep_aside(spark, source, faults, run_id=identity.run_id, created_at=created_at)


def _too_many(
    source: Source, interval: Interval, counts: _Counts, damage: Mapping[str, str], shown: Sequence[Fault]
) -> str:
    share = f" ({100 * counts.rejected / counts.read:.1f} %)" if counts.read else ""
    damaged = f", and {len(damage)} files are damaged" if damage else ""
    return (
        f"{source.name} {interval}: {counts.rejected} of {counts.read} lines{share} are no rows{damaged}; the source "
        f"allows {source.max_rejected_percent:g} %. Nothing was committed. For example {'; '.join(map(str, shown))}. "
        "Correct the files and run again, or raise maxRejectedPercent in sources.yaml."
    )


@contextmanager
def _counted(
    spark: SparkSession, source: Source, batch: Batch, reader: Reader
) -> Iterator[tuple[DataFrame, _Counts, Mapping[str, str]]]:
    """
    The batch, parsed, cached (in memory, and on disk what does not fit) and counted.

    If it can't be read, the compressed objects are looked at one by one: damaged ones are read as far as they go.
    """
    marked = mark_duplicates(reader.parse(reader.read()), source).persist()
    damage = dict(reader.damage)
    try:
        try:
            counts = _count(marked)
        except (Py4JJavaError, PySparkException):
            broken = find_damage(spark, [entry for entry in batch.objects if entry.path not in damage])
            if not broken:
                raise
            print(f"{len(broken)} damaged files are read as far as they go: {', '.join(broken)}", flush=True)
            marked.unpersist()
            rows = reader.read(list(broken), despite_damage=True)
            damage |= broken
            intact = [entry.path for entry in batch.objects if entry.path not in damage]
            if intact:
                rows = rows.unionByName(reader.read(intact))
            marked = mark_duplicates(reader.parse(rows), source).persist()
            counts = _count(marked)
        yield marked, counts, damage
    finally:
        marked.unpersist()


def _count(marked: DataFrame) -> _Counts:
    read, duplicates, rejected = F.count("*"), F.count_if("duplicate"), F.count_if(F.col("fault").isNotNull())
    row = marked.agg(read.alias("read"), duplicates.alias("duplicates"), rejected.alias("rejected")).first()
    assert row is not None, "an aggregate without groups has one row"
    return _Counts(row.read, row.duplicates, row.rejected)


def _table_rows(marked: DataFrame, created_at: datetime) -> DataFrame:
    """The rows for the table, each key once."""
    return marked.where(F.col("fault").isNull() & ~F.col("duplicate")).select(
        "record.*", F.lit(created_at).alias("created_at_etl"), "source_file_name"
    )


def _shuffle_partitions(text_bytes: int) -> int:
    if text_bytes <= _TASK_BYTES:
        return 1
    return max(200, math.ceil(text_bytes / _TASK_BYTES))
