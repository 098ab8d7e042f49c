"""Ingests the objects of an interval of days into the table of their source."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.committed_files import PROPERTY, Record, read_record, write_record
from lakestack_jobs.damage import find_damage
from lakestack_jobs.evolution import find_changes, reconcile, undeclared_types
from lakestack_jobs.formats import Reader, open_batch, reader_like
from lakestack_jobs.identity import Identity, batch_name, find_commit
from lakestack_jobs.job_error import JobError
from lakestack_jobs.keys import Counts, counted_keys, key_of, unique_rows
from lakestack_jobs.objects import Batch, Interval, empty_message, layout_of, list_batch
from lakestack_jobs.quarantine import Fault, examples, faults_of, keep_aside, keep_fields_aside
from lakestack_jobs.result import Outcome, Result, as_properties
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import Merged, ensure_table, merge
from lakestack_jobs.upserts import PROPERTIES, upsert

# A shuffle of less text than this is one task's work; of more, as many tasks as Spark takes by itself, or one for each
# such portion of the text.
_TASK_BYTES = 64 << 20
# Text for one file of the table, at least: many small objects are not to become many small files.
_FILE_BYTES = 32 << 20
_BROADCAST_BYTES = 16 << 20


class TooLargeError(Exception):
    """A batch is larger than its caller wanted to have it here."""

    def __init__(self, text_bytes: int) -> None:
        """Args: how much text it has, roughly."""
        super().__init__(f"{text_bytes} bytes of text")
        self.text_bytes = text_bytes


def ingest(
    spark: SparkSession,
    source: Source,
    interval: Interval,
    run_id: str,
    *,
    late_days: int = 0,
    only_new: bool = False,
    location: str | None = None,
    most_bytes: float = math.inf,
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
        only_new: Reads only what the table's record of files does not have, and keeps that record. The result's days
            are then those of what was read.
        location: Where the days' folders are, in place of the source's own location; ends in "/".
        most_bytes: Of text, roughly; nothing is done about a larger batch.

    Raises:
        TooLargeError: the batch has more text than that.
        JobError: there is no data in the interval, or no bucket or prefix, or the table has other columns, or too much
            of the data is faulty.
    """
    began = time.monotonic()
    layout = layout_of(source if location is None else replace(source, location=location))
    batch = list_batch(spark, layout, interval, late_days)
    # What is looked for all day long is missing only if the days before have nothing, either.
    expected, there = (interval.since(late_days), batch.objects) if only_new else (interval, batch.own)
    if not there and not source.skips_empty:
        raise JobError(empty_message(layout, expected))
    table, source = ready_table(spark, source)
    record, listed = read_record(spark, table, late_days + len(interval)) if only_new else None, len(batch.objects)
    if record is not None:
        batch = batch.only(record.unread(batch.objects))
    if batch.text_bytes > most_bytes:
        raise TooLargeError(batch.text_bytes)
    identity = Identity(source.name, interval, run_id, batch_name(batch.objects))
    outcome = _ingest_batch(spark, source, batch, table, identity, record)
    days = (batch.span if only_new else None) or interval
    return Result(
        source=source.name,
        table=table,
        start=str(days.start),
        end=str(days.end),
        run_id=run_id,
        files=len(batch.objects),
        files_before=listed - len(batch.objects),
        not_appended=record.replaced(batch.objects) if record is not None and not source.key else [],
        seconds=round(time.monotonic() - began, 1),
        **asdict(outcome),
    )


def ready_table(spark: SparkSession, source: Source) -> tuple[str, Source]:
    """The name of a source's table with its catalog, made unless it was there, and the source as the table is."""
    table = ensure_table(
        spark,
        source.table,
        source.table_columns,
        partitioning=source.partitioning,
        properties={**(PROPERTIES if source.version else {}), **_exact_bounds(source)},
        evolve=source.evolve,
    )
    return table, reconcile(spark, table, source) if source.evolve else source


def _ingest_batch(
    spark: SparkSession, source: Source, batch: Batch, table: str, identity: Identity, record: Record | None
) -> Outcome:
    if batch.objects or record is not None:
        # What a run has committed, its record has: then the batch of its second try is what has come since.
        commit = find_commit(spark, table, identity, any_batch=not batch.objects)
        if commit is not None:
            return Outcome.of(commit)
    if not batch.objects:
        return Outcome()
    spark.conf.set("spark.sql.shuffle.partitions", shuffle_partitions(batch.text_bytes))
    # Some hundred thousand keys are handed to every task sooner than the keys of a whole table are exchanged.
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", _BROADCAST_BYTES)
    # Looking for equal values in what is cached costs an eighth of a batch's time, and long records have none.
    spark.conf.set("spark.sql.inMemoryColumnarStorage.compressed", "false")
    run = _Run(spark, table, identity, datetime.now(UTC), record)
    return run.ingest(source, open_batch(spark, source, batch), batch, changes_left=2 if source.evolve else 0)


def _exact_bounds(source: Source) -> dict[str, str]:
    """Else a file's bounds are the first 16 characters of its keys: the same in all files for addresses, say."""
    return {f"write.metadata.metrics.column.{name}": "full" for name in source.key or ("source_file_name",)}


@dataclass(frozen=True)
class _Run:
    """One run's work on a batch that is not in the table yet; it keeps the table's record of files, if it has one."""

    spark: SparkSession
    table: str
    identity: Identity
    created_at: datetime
    record: Record | None

    def ingest(
        self, source: Source, reader: Reader, batch: Batch, *, changes_left: int, told: tuple[str, ...] = ()
    ) -> Outcome:
        """
        Ingests a batch.

        Args:
            source: As the table is, or will be once the rows are written.
            reader: Of the batch.
            batch: What to read.
            changes_left: How often new columns and wider types that the data need are still looked for: rows that a
                wider type lets in may have new columns.
            told: What has been changed for this batch, in words.
        """
        with _counted(self.spark, source, batch, reader) as (parsed, keys, counts, damage):
            undeclared = self._undeclared(parsed, reader, counts.undeclared)
            if changes_left:
                faulty = _files(parsed, "fault IS NOT NULL") if counts.rejected else []
                readable = [file for file in faulty if file not in damage]
                changes = find_changes(source, reader, undeclared=undeclared, faulty=readable)
                if changes is not None:
                    other = reader_like(reader, changes.source)
                    told = (*told, *changes.told)
                    return self.ingest(changes.source, other, batch, changes_left=changes_left - 1, told=told)
            quarantined = 0
            if counts.rejected or damage:
                quarantined = self._set_aside(source, reader, parsed, counts, damage)
            if undeclared:
                files = [file for file in _files(parsed, "undeclared IS NOT NULL") if file not in damage]
                run_id, created_at = self.identity.run_id, self.created_at
                keep_fields_aside(self.spark, source, reader, files, run_id=run_id, created_at=created_at)
            if told:
                source = reconcile(self.spark, self.table, source)
            count = counts.keys if source.key else counts.read - counts.rejected
            done: dict[str, Any] = {
                "read": counts.read,
                "duplicates": counts.read - counts.rejected - count,
                "rejected": counts.rejected,
                "damaged_files": len(damage),
                "quarantined": quarantined,
            }
            unique = unique_rows(parsed, keys, counts, source)
            rows = table_rows(unique, self.created_at).coalesce(_files_to_write(batch.text_bytes))
            summary = {**self.identity.properties(), **as_properties(done), **self._recorded(batch)}
            merged = merge_rows(self.spark, source, self.table, rows, count, keys, summary)
            return Outcome(**asdict(merged), **done, undeclared=undeclared, evolved=list(told))

    def _recorded(self, batch: Batch) -> dict[str, str]:
        """For the snapshot's summary: the record of files as it is once the batch is in the table."""
        if self.record is None:
            return {}
        return {PROPERTY: write_record(self.spark, self.table, self.record.extended(batch.objects))}

    def _undeclared(self, parsed: DataFrame, reader: Reader, names: Sequence[str]) -> dict[str, str]:
        """The fields that no column takes, with their types; looked at only if there are any."""
        if not names:
            return {}
        files = _files(parsed, "undeclared IS NOT NULL")
        rows = reader.parse(reader.read(files, despite_damage=True)).where("undeclared IS NOT NULL")
        return undeclared_types(rows, names)

    def _set_aside(
        self, source: Source, reader: Reader, parsed: DataFrame, counts: Counts, damage: Mapping[str, str]
    ) -> int:
        """
        Keeps the faulty lines aside; returns how many are new there.

        Raises:
            JobError: they are too many. A damaged file does not count, for nobody knows how many lines it has lost,
                unless the batch has not one good row.
        """
        files = _files(parsed, "fault IS NOT NULL")
        with faults_of(self.spark, source, reader, files, damage) as faults:
            if 100 * counts.rejected > source.max_rejected_percent * counts.read or (
                counts.rejected == counts.read and source.max_rejected_percent < 100
            ):
                raise JobError(_too_many(source, self.identity.interval, counts, damage, examples(faults, 3)))
            run_id, created_at = self.identity.run_id, self.created_at
            return keep_aside(self.spark, source, faults, run_id=run_id, created_at=created_at)


def _files(parsed: DataFrame, condition: str) -> list[str]:
    return [row[0] for row in parsed.where(condition).select("source_file_name").distinct().collect()]


def _too_many(
    source: Source, interval: Interval, counts: Counts, damage: Mapping[str, str], shown: Sequence[Fault]
) -> str:
    share = f" ({100 * counts.rejected / counts.read:.1f} %)" if counts.read else ""
    damaged = f", and {len(damage)} files are damaged" if damage else ""
    return (
        f"{source.name} {interval}: {counts.rejected} of {counts.read} lines{share} are no rows{damaged}; the source "
        f"allows {source.max_rejected_percent:g} %. Nothing was committed. For example {'; '.join(map(str, shown))}. "
        "Correct the files and run again, or raise maxRejectedPercent in sources.yaml."
    )


def merge_rows(
    spark: SparkSession,
    source: Source,
    table: str,
    rows: DataFrame,
    count: int,
    keys: DataFrame,
    summary: Mapping[str, str],
) -> Merged:
    """Brings the rows into the table, as the source wants it done. A record of files is committed without rows, too."""
    given: dict[str, Any] = {
        "count": count,
        "key": key_of(source),
        "summary": summary,
        "keys": keys,
        "always_commit": PROPERTY in summary,
    }
    if source.version is not None:
        return upsert(spark, table, rows, version=source.version, **given)
    return merge(spark, table, rows, unique=bool(source.key), **given)


@contextmanager
def _counted(
    spark: SparkSession, source: Source, batch: Batch, reader: Reader
) -> Iterator[tuple[DataFrame, DataFrame, Counts, Mapping[str, str]]]:
    """
    The batch, parsed and cached (in memory, and on disk what does not fit), its keys, the counts, and the damage.

    If it can't be read, the compressed objects are looked at one by one: damaged ones are read as far as they go.
    """
    damage = dict(reader.damage)
    with ExitStack() as cached:
        parsed = _cached(reader, reader.read())
        cached.callback(parsed.unpersist)
        try:
            keys, counts = cached.enter_context(counted_keys(parsed, source))
        except (Py4JJavaError, PySparkException):
            broken = find_damage(spark, [entry for entry in batch.objects if entry.path not in damage])
            if not broken:
                raise
            print(f"{len(broken)} damaged files are read as far as they go: {', '.join(broken)}", flush=True)
            cached.close()
            rows = reader.read(list(broken), despite_damage=True)
            damage |= broken
            intact = [entry.path for entry in batch.objects if entry.path not in damage]
            if intact:
                rows = rows.unionByName(reader.read(intact))
            parsed = _cached(reader, rows)
            cached.callback(parsed.unpersist)
            keys, counts = cached.enter_context(counted_keys(parsed, source))
        yield parsed, keys, counts, damage


def _cached(reader: Reader, rows: DataFrame) -> DataFrame:
    return reader.parse(rows).select("record", "source_file_name", "fault", "undeclared").persist()


def table_rows(unique: DataFrame, created_at: datetime) -> DataFrame:
    """The rows for the table."""
    return unique.select("record.*", F.lit(created_at).alias("created_at_etl"), "source_file_name")


def shuffle_partitions(text_bytes: int) -> int:
    """Into how many parts a shuffle divides a batch."""
    if text_bytes <= _TASK_BYTES:
        return 1
    return max(200, math.ceil(text_bytes / _TASK_BYTES))


def _files_to_write(text_bytes: int) -> int:
    """As many at most; each is the work of one task."""
    return max(1, round(text_bytes / _FILE_BYTES))
