"""Lines that are no rows, kept aside with the reason and the place where they stand."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import CATALOG
from lakestack_jobs.formats import Reader
from lakestack_jobs.rows import explain_misfits
from lakestack_jobs.sources import Column, Source
from lakestack_jobs.tables import ensure_table, merge

# What became of an entry: the text that a person has put in place of the line's, "replayed" or "discarded" once it is
# closed, and by which run and when. All null as long as nobody has looked at it.
RESOLUTION_COLUMNS = (
    Column("repaired_text", "string"),
    Column("resolution", "string"),
    Column("resolved_by", "string"),
    Column("resolved_at", "timestamp"),
)
COLUMNS = (
    Column("source_file_name", "string"),
    Column("position", "bigint"),
    Column("reason", "string"),
    Column("raw_text", "string"),
    Column("raw_sha256", "string"),
    Column("run_id", "string"),
    Column("created_at_etl", "timestamp"),
    *RESOLUTION_COLUMNS,
)
# Fields that no column takes, with the row that had them.
UNDECLARED_COLUMNS = (
    Column("source_file_name", "string"),
    Column("position", "bigint"),
    Column("fields", "map<string,string>"),
    Column("raw_sha256", "string"),
    Column("run_id", "string"),
    Column("created_at_etl", "timestamp"),
)
# The same line at the same place is the same fault, however often it is read.
_KEY = ("source_file_name", "position", "raw_sha256")

_ROW_BITS = 33


def quarantine_table(source: Source) -> str:
    """The table beside the source's own."""
    return f"{source.table}_quarantine"


def ensure_quarantine(spark: SparkSession, source: Source) -> str:
    """
    Makes the quarantine table unless it is there; one of the time before entries could be replayed gets the columns for
    that.

    Returns:
        The table's name with its catalog.
    """
    name = f"{CATALOG}.{quarantine_table(source)}"
    if spark.catalog.tableExists(name):
        found = set(spark.table(name).columns)
        missing = [f"`{each.name}` {each.spark_type}" for each in RESOLUTION_COLUMNS if each.name not in found]
        if missing:
            spark.sql(f"ALTER TABLE {name} ADD COLUMNS ({', '.join(missing)})")
    return ensure_table(spark, quarantine_table(source), COLUMNS)


@dataclass(frozen=True)
class Fault:
    """A line that is no row, for a message."""

    file: str
    position: int
    reason: str
    text: str

    def __str__(self) -> str:
        shown = f": {self.text[:80]}{'…' if len(self.text) > 80 else ''}" if self.text else ""
        return f"{self.file} line {self.position}: {self.reason}{shown}"


def undeclared_table(source: Source) -> str:
    """The table beside the source's own that has the fields which no column takes."""
    return f"{source.table}_undeclared"


@contextmanager
def faults_of(
    spark: SparkSession, source: Source, reader: Reader, files: Sequence[str], damage: Mapping[str, str]
) -> Iterator[DataFrame]:
    """
    Reads again the files that have faulty lines, this time counting lines.

    Args:
        spark: The session.
        source: Whose files they are.
        reader: Reads them.
        files: Paths of the files with faulty lines.
        damage: Path and cause of the files that can't be decompressed to their end.

    Yields:
        The columns of the quarantine table but for those of the run, cached: faulty lines, and for each damaged file
        the line at which it breaks.
    """
    with _one_file_a_task(spark):
        lines = reader.read(sorted({*files} - {*damage}))
        if damage:
            lines = lines.unionByName(reader.read(sorted(damage), despite_damage=True))
        lines = _numbered(lines)
        faults = _faulty_lines(lines, source, reader)
        if damage:
            faults = faults.unionByName(_breaks(spark, lines, damage))
        faults = faults.persist()
        try:
            yield faults
        finally:
            faults.unpersist()


def examples(faults: DataFrame, count: int) -> list[Fault]:
    """The first of the faults, in the order of files and lines."""
    text = F.coalesce(F.left("raw_text", F.lit(200)), F.lit("")).alias("text")
    first = faults.orderBy("source_file_name", "position").limit(count)
    return [
        Fault(row.source_file_name, row.position, row.reason, row.text)
        for row in first.select("source_file_name", "position", "reason", text).collect()
    ]


def keep_aside(spark: SparkSession, source: Source, faults: DataFrame, *, run_id: str, created_at: datetime) -> int:
    """
    Adds to the quarantine table what was not yet there.

    Args:
        spark: The session.
        source: Beside whose table.
        faults: What `faults_of` yields.
        run_id: Of the run that found them.
        created_at: Of the batch.

    Returns:
        How many were added.
    """
    nothing = {column.name: F.lit(None).cast(column.spark_type) for column in RESOLUTION_COLUMNS}
    table = ensure_quarantine(spark, source)
    return _keep(spark, source, table, COLUMNS, faults.withColumns(nothing), run_id, created_at)


def keep_fields_aside(
    spark: SparkSession, source: Source, reader: Reader, files: Sequence[str], *, run_id: str, created_at: datetime
) -> int:
    """
    Adds the fields that no column takes to a table of their own, each row's once: the rows themselves have arrived.

    Args:
        spark: The session.
        source: Beside whose table.
        reader: Reads the files.
        files: Paths of those that have such fields.
        run_id: Of the run.
        created_at: Of the batch.

    Returns:
        How many rows' fields were added.
    """
    with _one_file_a_task(spark):
        rows = reader.parse(_numbered(reader.read(files)))
        return keep_fields_of_rows(spark, source, rows, run_id=run_id, created_at=created_at)


def keep_fields_of_rows(
    spark: SparkSession, source: Source, rows: DataFrame, *, run_id: str, created_at: datetime
) -> int:
    """
    The same for rows that were read already.

    Args:
        spark: The session.
        source: Beside whose table.
        rows: Parsed, with `source_file_name` and `position`.
        run_id: Of the run.
        created_at: Of the batch.
    """
    every = F.col("cells") if "cells" in rows.columns else F.from_json("line", "map<string,string>")
    entries = (
        rows.where(F.col("undeclared").isNotNull())
        .select(
            "source_file_name",
            "position",
            F.map_filter(every, lambda name, _: F.array_contains("undeclared", name)).alias("fields"),
            F.sha2(F.col("line").cast("binary"), 256).alias("raw_sha256"),
        )
        .persist()
    )
    try:
        table = ensure_table(spark, undeclared_table(source), UNDECLARED_COLUMNS)
        return _keep(spark, source, table, UNDECLARED_COLUMNS, entries, run_id, created_at)
    finally:
        entries.unpersist()


def _keep(
    spark: SparkSession,
    source: Source,
    table: str,
    columns: Sequence[Column],
    entries: DataFrame,
    run_id: str,
    created_at: datetime,
) -> int:
    stamped = entries.withColumn("run_id", F.lit(run_id)).withColumn("created_at_etl", F.lit(created_at))
    summary = {"lakestack.source": source.name, "lakestack.run-id": run_id}
    rows = stamped.select(*(column.name for column in columns))
    return merge(spark, table, rows, count=entries.count(), key=_KEY, summary=summary).inserted


@contextmanager
def _one_file_a_task(spark: SparkSession) -> Iterator[None]:
    """Makes Spark read each file whole and alone, so that a line's number in its task is its number in its file."""
    whole = {"spark.sql.files.maxPartitionBytes": 1 << 40, "spark.sql.files.openCostInBytes": 1 << 40}
    before = {name: spark.conf.get(name) for name in whole}
    for name, value in whole.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, text in before.items():
            spark.conf.set(name, str(text))


def _numbered(lines: DataFrame) -> DataFrame:
    """
    Adds `position`, the number of the line (element, record, row) in its file, from 1. The low 33 bits of the id count
    the rows of a task
    (https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/api/pyspark.sql.functions.monotonically_increasing_id.html).
    """
    row = F.monotonically_increasing_id().bitwiseAND(F.lit((1 << _ROW_BITS) - 1))
    return lines.withColumn("position", row + 1)


def _faulty_lines(lines: DataFrame, source: Source, reader: Reader) -> DataFrame:
    parsed = explain_misfits(reader.parse(lines).where(F.col("fault").isNotNull()), source)
    return parsed.select(
        "source_file_name",
        "position",
        F.col("fault").alias("reason"),
        # A varchar must be UTF-8; the hash is of the bytes as they came.
        F.make_valid_utf8("line").alias("raw_text"),
        F.sha2(F.col("line").cast("binary"), 256).alias("raw_sha256"),
    )


def _breaks(spark: SparkSession, lines: DataFrame, damage: Mapping[str, str]) -> DataFrame:
    """One entry a damaged file: the first line that could not be read from it."""
    causes = [
        F.struct(F.lit(file).alias("source_file_name"), F.lit(cause).alias("cause")) for file, cause in damage.items()
    ]
    files = spark.range(1).select(F.inline(F.array(*causes)))
    counted = lines.groupBy("source_file_name").agg(F.max("position").alias("last"))
    position = F.coalesce("last", F.lit(0)) + 1
    reason = F.concat(F.lit("the file is damaged from here on: "), "cause")
    return files.join(counted, "source_file_name", "left").select(
        "source_file_name",
        position.alias("position"),
        reason.alias("reason"),
        F.lit(None).cast("string").alias("raw_text"),
        F.sha2(F.lit("").cast("binary"), 256).alias("raw_sha256"),
    )
