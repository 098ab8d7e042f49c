"""Tries again the rows that were kept aside: as their source is declared now, or as a person has repaired them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import CATALOG
from lakestack_jobs.evolution import find_changes, reconcile, undeclared_types
from lakestack_jobs.formats import Reader, reader_like
from lakestack_jobs.ingest import merge_rows, ready_table, shuffle_partitions, table_rows
from lakestack_jobs.job_error import JobError
from lakestack_jobs.kept_rows import DISCARDED, REPLAYED, Selection, close, kept_rows, open_entries, without_text
from lakestack_jobs.keys import Counts, counted_keys, unique_rows
from lakestack_jobs.quarantine import ensure_quarantine, keep_fields_of_rows, quarantine_table
from lakestack_jobs.rows import explain_misfits
from lakestack_jobs.sources import Source

# As many different reasons of what stays are told.
_REASONS = 10


@dataclass(frozen=True)
class Replayed:
    """
    What a replay did.

    `entries` is the sum of `inserted`, `updated`, `already_present` and `duplicates` (which are all rows of the table
    now, or as good as), `discarded`, and `left`: those that are open still, by their `reasons`. `without_text` of these
    are damaged files: nothing is kept of them that could become a row. `start` and `end` are the days of the objects
    that the new rows are of.
    """

    source: str
    table: str
    run_id: str
    entries: int = 0
    inserted: int = 0
    updated: int = 0
    already_present: int = 0
    duplicates: int = 0
    discarded: int = 0
    left: int = 0
    without_text: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    undeclared: dict[str, str] = field(default_factory=dict)
    evolved: list[str] = field(default_factory=list)
    start: str | None = None
    end: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        others = ", ".join(f"{name} ({kind or 'null'})" for name, kind in self.undeclared.items())
        notes = "".join(f"; {change}" for change in self.evolved)
        notes += f"; not declared, and kept in {self.table}_undeclared: {others}" if others else ""
        closed = f", {self.discarded} discarded" if self.discarded else ""
        why = "".join(f"\n  {count} times {reason}" for reason, count in self.reasons.items())
        return (
            f"{self.source}: {self.entries} entries of {self.table}_quarantine tried again: {self.inserted} inserted, "
            f"{self.updated} updated, {self.already_present} already present, {self.duplicates} duplicates{closed}, "
            f"{self.left} left{notes} ({self.seconds:.1f} s){why}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without the days if no row has come."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def replay(spark: SparkSession, source: Source, selection: Selection, run_id: str) -> Replayed:
    """
    Tries open entries of the quarantine again. Those that fit now come into the table in one commit, like the rows of a
    batch; then they are closed. What does not fit stays open, with its reason of now.

    A run that dies after its commit leaves entries open whose rows are in the table. Tried again, they add nothing, for
    their keys are there; rows without a key are known by their object and position.

    Args:
        spark: A session whose catalog `iceberg` holds the tables.
        source: As it is declared now.
        selection: Which entries.
        run_id: Names the run in the snapshot's summary and in the entries that it closes.

    Raises:
        JobError: the table has other columns than the source declares.
    """
    began = time.monotonic()
    quarantine = _quarantine(spark, source)
    done: dict[str, Any] = {}
    if quarantine is not None:
        entries = open_entries(spark, source, quarantine, selection)
        if not entries.isEmpty():
            table, now = ready_table(spark, source)
            spark.conf.set("spark.sql.shuffle.partitions", shuffle_partitions(_text_bytes(entries)))
            rows = kept_rows(spark, now, entries)
            run = _Run(spark, table, quarantine, entries, run_id, datetime.now(UTC))
            done = run.replay(now, rows, changes_left=2 if source.evolve else 0)
    return Replayed(
        source.name, f"{CATALOG}.{source.table}", run_id, **done, seconds=round(time.monotonic() - began, 1)
    )


def discard(spark: SparkSession, source: Source, selection: Selection, run_id: str) -> Replayed:
    """
    Closes open entries that nobody wants as rows. They stay where they are, to be seen.

    Args:
        spark: A session whose catalog `iceberg` holds the tables.
        source: Whose quarantine.
        selection: Which entries.
        run_id: Names the run in the entries that it closes.

    Raises:
        JobError: the selection is everything.
    """
    began = time.monotonic()
    if selection == Selection():
        raise JobError(f"Say which entries of {quarantine_table(source)} to discard: of a reason, or of a day.")
    quarantine = _quarantine(spark, source)
    count = 0
    if quarantine is not None:
        entries = open_entries(spark, source, quarantine, selection)
        outcomes = entries.withColumn("resolution", F.lit(DISCARDED)).withColumn("fault", F.lit(None).cast("string"))
        count = entries.count()
        close(spark, quarantine, outcomes, run_id=run_id, at=datetime.now(UTC))
    seconds = round(time.monotonic() - began, 1)
    table = f"{CATALOG}.{source.table}"
    return Replayed(source.name, table, run_id, entries=count, discarded=count, seconds=seconds)


def _quarantine(spark: SparkSession, source: Source) -> str | None:
    """The name of the quarantine with its catalog; None if nothing was ever kept aside."""
    there = spark.catalog.tableExists(f"{CATALOG}.{quarantine_table(source)}")
    return ensure_quarantine(spark, source) if there else None


def _text_bytes(entries: DataFrame) -> int:
    row = entries.agg(F.coalesce(F.sum(F.octet_length("raw_text")), F.lit(0)).alias("bytes")).first()
    assert row is not None, "an aggregate without groups has one row"
    return int(row.bytes)


@dataclass(frozen=True)
class _Run:
    """One replay's work on the entries that it has chosen."""

    spark: SparkSession
    table: str
    quarantine: str
    entries: DataFrame
    run_id: str
    at: datetime

    def replay(
        self, source: Source, reader: Reader, *, changes_left: int, told: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """
        Does the work; returns what a result says of it.

        Args:
            source: As the table is, or will be once the rows are written.
            reader: Of the entries.
            changes_left: How often new columns and wider types that the rows need are still looked for.
            told: What is changed for these rows, in words.
        """
        with _parsed(reader) as parsed, counted_keys(parsed, source) as (keys, counts):
            undeclared = {}
            if counts.undeclared:
                undeclared = undeclared_types(parsed.where("undeclared IS NOT NULL"), counts.undeclared)
            if changes_left:
                faulty = ["any"] if counts.rejected else []
                changes = find_changes(source, reader, undeclared=undeclared, faulty=faulty)
                if changes is not None:
                    other = reader_like(reader, changes.source)
                    told = (*told, *changes.told)
                    return self.replay(changes.source, other, changes_left=changes_left - 1, told=told)
            done: dict[str, Any] = {"undeclared": undeclared, "evolved": list(told)}
            if counts.read > counts.rejected:
                if told:
                    source = reconcile(self.spark, self.table, source)
                if undeclared:
                    places = parsed.withColumns(
                        {name: F.col(f"entry.{name}") for name in ("source_file_name", "position")}
                    )
                    keep_fields_of_rows(self.spark, source, places, run_id=self.run_id, created_at=self.at)
                done |= {**self._merge(source, parsed, keys, counts), **_days(parsed, source)}
            return done | self._close(source, parsed, counts)

    def _merge(self, source: Source, parsed: DataFrame, keys: DataFrame, counts: Counts) -> dict[str, int]:
        """Brings the good rows into the table."""
        good = counts.read - counts.rejected
        count = counts.keys if source.key else good
        summary = {
            "lakestack.source": source.name,
            "lakestack.run-id": self.run_id,
            "lakestack.replayed": str(good),
            "lakestack.rows-duplicates": str(good - count),
        }
        rows = table_rows(unique_rows(parsed, keys, counts, source), self.at).coalesce(1)
        merged = merge_rows(self.spark, source, self.table, rows, count, keys, summary)
        return {**asdict(merged), "duplicates": good - count}

    def _close(self, source: Source, parsed: DataFrame, counts: Counts) -> dict[str, Any]:
        """Closes the entries whose rows are in the table, and writes down why the others are not."""
        good = parsed.where("fault IS NULL").select("entry", F.lit(REPLAYED).alias("resolution"), "fault")
        bad = explain_misfits(parsed.where("fault IS NOT NULL"), source)
        outcomes = good.unionByName(bad.select("entry", F.lit(None).cast("string").alias("resolution"), "fault"))
        outcomes = outcomes.persist()
        try:
            close(self.spark, self.quarantine, outcomes, run_id=self.run_id, at=self.at)
            textless = without_text(self.entries)
            stay = outcomes.where("resolution IS NULL").select(F.col("fault").alias("reason"))
            stay = stay.unionByName(textless.select(F.col("entry.reason").alias("reason")))
            reasons = stay.groupBy("reason").count().orderBy(F.desc("count"), "reason").limit(_REASONS).collect()
            nothing_kept = textless.count()
        finally:
            outcomes.unpersist()
        return {
            "entries": counts.read + nothing_kept,
            "left": counts.rejected + nothing_kept,
            "without_text": nothing_kept,
            "reasons": {row["reason"]: row["count"] for row in reasons},
        }


@contextmanager
def _parsed(reader: Reader) -> Iterator[DataFrame]:
    parsed = reader.parse(reader.read())
    columns = ["record", "source_file_name", "fault", "undeclared", "line", "entry"]
    cached = parsed.select(*columns, *(["cells"] if "cells" in parsed.columns else [])).persist()
    try:
        yield cached
    finally:
        cached.unpersist()


def _days(parsed: DataFrame, source: Source) -> Mapping[str, str]:
    """From the first to the last day of the objects that the good rows are of; none if their folders are no days."""
    folder = F.regexp_replace("entry.source_file_name", "/[^/]*$", "")
    days: list[date] = []
    for row in parsed.where("fault IS NULL").select(folder.alias("folder")).distinct().collect():
        try:
            days.append(datetime.strptime(row.folder.removeprefix(source.location), source.dates).date())
        except ValueError:
            continue
    return {"start": str(min(days)), "end": str(max(days) + timedelta(days=1))} if days else {}
