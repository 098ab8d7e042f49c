"""The open entries of a quarantine, read again like a batch, and closed when they have become rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import load
from lakestack_jobs.csv_rows import parse_csv, split_records
from lakestack_jobs.formats import NOT_AN_ARRAY, TOO_LARGE, Reader, header_fault, header_of
from lakestack_jobs.objects import layout_of
from lakestack_jobs.rows import NOT_UTF8, parse
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import retry_conflicts

REPLAYED, DISCARDED = "replayed", "discarded"

# What is kept of such a line is not what the file had: nothing can come of it before a person has repaired it.
_KEPT_IN_PART = (NOT_UTF8, NOT_AN_ARRAY, TOO_LARGE)
_GONE = "the file is gone, and with it the names of its columns"
_ENTRY = ("source_file_name", "position", "raw_sha256", "reason", "repaired_text")
_OUTCOMES = "lakestack_outcomes"


@dataclass(frozen=True)
class Selection:
    """
    Which open entries; all by default.

    Args:
        reason: Those whose reason has this text in it.
        day: Those of the objects of this day.
        repaired: Those that a person has repaired.
    """

    reason: str | None = None
    day: date | None = None
    repaired: bool = False


def open_entries(spark: SparkSession, source: Source, quarantine: str, selection: Selection) -> DataFrame:
    """
    Reads entries once, so that all that follows is about the same ones, whoever repairs others meanwhile.

    Returns:
        `entry` (struct: what tells it from others, its reason and its repaired text) and `raw_text`.
    """
    load(spark, quarantine)
    entries = spark.table(quarantine).where("resolution IS NULL")
    if selection.reason is not None:
        entries = entries.where(F.contains("reason", F.lit(selection.reason)))
    if selection.day is not None:
        folder = f"{layout_of(source).folder(selection.day)}/"
        entries = entries.where(F.startswith("source_file_name", F.lit(folder)))
    if selection.repaired:
        entries = entries.where(_repair("repaired_text").isNotNull())
    return entries.select(F.struct(*_ENTRY).alias("entry"), "raw_text").localCheckpoint()


def _repair(column: str) -> Column:
    """What a person has put in place of a line; null if nothing, or only white space."""
    return F.when(F.trim(F.col(column)) != "", F.col(column))


def without_text(entries: DataFrame) -> DataFrame:
    """Those of which nothing is kept that could become a row: where a damaged file breaks."""
    return entries.where(_repair("entry.repaired_text").isNull() & F.col("raw_text").isNull())


def kept_rows(spark: SparkSession, source: Source, entries: DataFrame) -> Reader:
    """
    Reads the entries that have a text. It takes the place of the line; `source_file_name` is the object's address, "#"
    and the position in it, so that each is told from the rows that were read from the object itself. `entry` stays.
    """
    return _KeptRows(spark, source, entries)


class _KeptRows:
    def __init__(self, spark: SparkSession, source: Source, entries: DataFrame) -> None:
        self.source = source
        self.damage: Mapping[str, str] = {}
        repair, reason = _repair("entry.repaired_text"), F.col("entry.reason")
        rows = entries.select(
            F.coalesce(repair, "raw_text").alias("line"),
            F.when(repair.isNull() & reason.isin(*_KEPT_IN_PART), reason).alias("unreadable"),
            F.concat("entry.source_file_name", F.lit("#"), F.col("entry.position").cast("string")).alias(
                "source_file_name"
            ),
            "entry",
        ).where("line IS NOT NULL")
        self._rows = _with_cells(spark, source, rows) if source.format == "csv" else rows

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        # All of them, whichever are asked for: they are few.
        del files, despite_damage
        return self._rows

    def parse(self, rows: DataFrame) -> DataFrame:
        return parse_csv(rows, self.source) if self.source.format == "csv" else parse(rows, self.source)


def _with_cells(spark: SparkSession, source: Source, rows: DataFrame) -> DataFrame:
    """Splits records by the headers of the files that they are of."""
    file = F.col("entry.source_file_name")
    groups: dict[tuple[tuple[str, ...], str | None], list[str]] = {}
    for row in rows.select(file.alias("file")).distinct().orderBy("file").collect():
        groups.setdefault(_header(spark, source, row.file), []).append(row.file)
    frames = [
        split_records(rows.where(file.isin(files)).withColumn("unreadable", _or("unreadable", fault)), header)
        for (header, fault), files in groups.items()
    ]
    return reduce(DataFrame.unionByName, frames) if frames else split_records(rows, ("none",))


def _or(column: str, fault: str | None) -> Column:
    return F.coalesce(F.col(column), F.lit(fault).cast("string"))


def _header(spark: SparkSession, source: Source, file: str) -> tuple[tuple[str, ...], str | None]:
    """The names of a file's columns, or why nobody knows them."""
    try:
        header = header_of(spark, file)
    except Py4JJavaError as error:
        if error.java_exception.getClass().getSimpleName() != "FileNotFoundException":
            raise
        header = ()
    needed = [*source.key, *([source.version] if source.version else [])]
    fault = header_fault(header, needed) if header else _GONE
    return (("none",), fault) if fault else (header, None)


def close(spark: SparkSession, quarantine: str, outcomes: DataFrame, *, run_id: str, at: datetime) -> None:
    """
    Writes down what became of entries, in one commit.

    An entry that was repaired anew meanwhile, or closed by another run, stays as it is.

    Args:
        spark: The session.
        quarantine: Name with its catalog.
        outcomes: `entry`, `resolution` (string: null if it stays open) and `fault` (string: the reason from now on;
            null leaves it). Computed again at each attempt.
        run_id: Of the run that closes them.
        at: When.
    """
    changed = outcomes.where(F.col("resolution").isNotNull() | (F.col("fault") != F.col("entry.reason")))
    if changed.isEmpty():
        return
    same = " AND ".join(f"q.`{name}` <=> o.entry.`{name}`" for name in _ENTRY)
    statement = (
        f"MERGE INTO {quarantine} q USING {_OUTCOMES} o ON {same} WHEN MATCHED AND q.resolution IS NULL THEN UPDATE "
        "SET resolution = o.resolution, reason = coalesce(o.fault, q.reason), "
        "resolved_by = if(o.resolution IS NULL, NULL, o.run), resolved_at = if(o.resolution IS NULL, NULL, o.at)"
    )

    def merge() -> None:
        changed.withColumns({"run": F.lit(run_id), "at": F.lit(at)}).createOrReplaceTempView(_OUTCOMES)
        load(spark, quarantine)
        spark.sql(statement)

    retry_conflicts(quarantine, merge)
