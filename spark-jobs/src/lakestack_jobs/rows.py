"""From lines of JSON to rows of a table, and to the lines that are none."""

import re

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.objects import GLOB
from lakestack_jobs.sources import Source

# Spark's name for the text of a line that did not fit the schema. No declared column can be called so.
_MISFIT = "line that does not fit"

NOT_UTF8 = "not valid UTF-8"
NOT_AN_OBJECT = "not one complete JSON object"
MISFIT = "ill-typed"


def read_lines(spark: SparkSession, paths: list[str], *, despite_damage: bool = False) -> DataFrame:
    """
    Reads the lines of files, or of the files directly inside folders.

    Args:
        spark: The session.
        paths: Files or folders.
        despite_damage: Ends a file at the place where it can't be decompressed, in place of an error.

    Returns:
        `line` (string, its bytes untouched, a byte order mark removed) and `source_file_name` (string); no blank lines.
    """
    reader = spark.read.option("pathGlobFilter", GLOB).option("ignoreCorruptFiles", despite_damage)
    # Spark gives the path as it stands in a URL, where + is itself.
    file_name = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    return reader.text([_literal(path) for path in paths]).select(
        F.col("value").alias("line"), file_name.alias("source_file_name")
    )


def _literal(path: str) -> str:
    """A path in which no sign means a pattern: Spark takes paths for patterns."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", path)


def is_blank(line: Column) -> Column:
    """Whether a line has no character but white space: no row, and no fault."""
    return F.trim(line, F.lit(" \t\r\ufeff")) == ""


def parse(lines: DataFrame, source: Source) -> DataFrame:
    """
    Parses lines into records.

    A field that the source does not declare is left out. A text column takes any JSON value, other than text as the
    JSON that it was. Everything else that does not fit is a fault of the whole line: no value is ever turned to null.

    Args:
        lines: Columns `line` and `source_file_name`.
        source: What to expect.

    Returns:
        The columns of `lines`, `record` (struct of the source's columns) and `fault` (string: why the line is no row;
        null if it is one).
    """
    schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in source.columns)
    record = F.from_json(
        F.col("line"),
        f"{schema}, `{_MISFIT}` string",
        {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _MISFIT},
    )
    return (
        lines.where(~is_blank(F.col("line")))
        .withColumn("record", record)
        .withColumn("fault", _fault(source))
        .withColumn("record", F.struct(*(_field(column.name) for column in source.columns)))
    )


def _fault(source: Source) -> Column:
    line = F.col("line")
    # from_json stops after the first object of a line. Inside brackets, whatever follows it shows.
    values = F.json_array_length(F.concat(F.lit("["), line, F.lit("]")))
    misfit = F.col("record").getField(_MISFIT).isNotNull()
    fault = (
        F.when(~F.is_valid_utf8(line), NOT_UTF8)
        .when(~values.eqNullSafe(1) | ~F.ltrim(line).startswith("{"), NOT_AN_OBJECT)
        .when(misfit, MISFIT)
    )
    for name in source.key:
        value = F.col("record").getField(name)
        fault = fault.when(
            value.isNull() | (F.trim(value.cast("string")) == ""),
            f"key column {name} is missing, null or empty",
        )
    return fault


def _field(name: str) -> Column:
    return F.col("record").getField(name).alias(name)


def explain_misfits(parsed: DataFrame, source: Source) -> DataFrame:
    """Names, in `fault`, the columns that do not fit their types. Parses once a column: for few lines only."""
    fits = {
        column.name: F.from_json(
            F.col("line"),
            f"`{column.name}` {column.spark_type}, `{_MISFIT}` string",
            {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _MISFIT},
        )
        .getField(_MISFIT)
        .isNull()
        for column in source.columns
    }
    named = F.concat_ws(
        "; ",
        *(
            F.when(~fits[column.name], f"column {column.name} is not {column.spark_type.replace('`', '')}")
            for column in source.columns
        ),
    )
    return parsed.withColumn(
        "fault", F.when((F.col("fault") == MISFIT) & (named != ""), named).otherwise(F.col("fault"))
    )


def mark_duplicates(parsed: DataFrame, source: Source) -> DataFrame:
    """
    Marks all but one of the records that share a key.

    The one that stays is of the object first in the order of paths, which is the earliest day and part; inside one
    object, the line that is first in the order of its bytes. So the choice depends on the data alone, and a month read
    at once gives the same table as its days read one after another.

    Args:
        parsed: What `parse` returns.
        source: Whose key.

    Returns:
        `record`, `source_file_name`, `fault` and `duplicate` (boolean, false for lines with a fault).
    """
    key = [F.col("record").getField(name) for name in source.key]
    # Faulty lines have no key worth the name; each goes its own way, so that many of them do not meet in one task.
    apart = F.when(F.col("fault").isNotNull(), F.xxhash64("line"))
    earliest_first = Window.partitionBy(*key, apart).orderBy("source_file_name", "line")
    duplicate = F.col("fault").isNull() & (F.row_number().over(earliest_first) > 1)
    return parsed.select("record", "source_file_name", "fault", duplicate.alias("duplicate"))
