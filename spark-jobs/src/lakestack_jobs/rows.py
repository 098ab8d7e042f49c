"""From JSON to rows of a table, and to the lines that are none."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.sources import Source

# Spark's name for the text of a line that did not fit the schema. No declared column can be called so.
MISFIT_COLUMN = "line that does not fit"

NOT_UTF8 = "not valid UTF-8"
NOT_AN_OBJECT = "not one complete JSON object"
MISFIT = "ill-typed"


def is_blank(line: Column) -> Column:
    """Whether a line has no character but white space: no row, and no fault."""
    return F.trim(line, F.lit(" \t\r\ufeff")) == ""


def parse(lines: DataFrame, source: Source) -> DataFrame:
    """
    Parses lines into records.

    A field that the source does not declare is left out, and named. A text column takes any JSON value, other than text
    as the JSON that it was. Everything else that does not fit is a fault of the whole line: no value is ever turned to
    null.

    Args:
        lines: Columns `line`, `unreadable` (string: why there is no line to speak of, else null), `source_file_name`.
        source: What to expect.

    Returns:
        The columns of `lines`, `record` (struct of the source's columns), `fault` (string: why the line is no row; null
        if it is one) and `undeclared` (array of strings: the fields that were left out, null if there are none).
    """
    schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in source.columns)
    record = F.from_json(
        F.col("line"),
        f"{schema}, `{MISFIT_COLUMN}` string",
        {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": MISFIT_COLUMN},
    )
    return (
        lines.where(F.col("unreadable").isNotNull() | ~is_blank(F.col("line")))
        .withColumn("record", record)
        .withColumn("fault", _fault(source))
        .withColumn("undeclared", undeclared_names(F.json_object_keys("line"), source))
        .withColumn("record", F.struct(*(_field(column.name) for column in source.columns)))
    )


def undeclared_names(names: Column, source: Source) -> Column:
    """Those of a row's fields that no column takes; null if there are none, or the row has a fault."""
    others = F.array_except(names, F.array(*(F.lit(column.name) for column in source.columns)))
    return F.when(F.col("fault").isNull() & (F.size(others) > 0), others)


def _fault(source: Source) -> Column:
    line = F.col("line")
    # from_json stops after the first object of a line. Inside brackets, whatever follows it shows.
    values = F.json_array_length(F.concat(F.lit("["), line, F.lit("]")))
    misfit = F.col("record").getField(MISFIT_COLUMN).isNotNull()
    fault = (
        F.when(F.col("unreadable").isNotNull(), F.col("unreadable"))
        .when(~F.is_valid_utf8(line), NOT_UTF8)
        .when(~values.eqNullSafe(1) | ~F.ltrim(line).startswith("{"), NOT_AN_OBJECT)
        .when(misfit, MISFIT)
    )
    return with_missing_values(fault, source, lambda name: F.col("record").getField(name))


def with_missing_values(fault: Column, source: Source, value_of: Callable[[str], Column]) -> Column:
    """Adds to a chain of faults that the key or the version has no value."""
    for name in source.key:
        value = value_of(name)
        missing = value.isNull() | (F.trim(value.cast("string")) == "")
        fault = fault.when(missing, f"key column {name} is missing, null or empty")
    if source.version is not None:
        fault = fault.when(value_of(source.version).isNull(), f"version column {source.version} is missing or null")
    return fault


def _field(name: str) -> Column:
    return F.col("record").getField(name).alias(name)


def explain_misfits(parsed: DataFrame, source: Source) -> DataFrame:
    """Names, in `fault`, the columns that do not fit their types. Parses once a column: for few lines only."""
    fits = {
        column.name: F.from_json(
            F.col("line"),
            f"`{column.name}` {column.spark_type}, `{MISFIT_COLUMN}` string",
            {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": MISFIT_COLUMN},
        )
        .getField(MISFIT_COLUMN)
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

    The one that stays is the one with the highest version, if the source has versions. Among equals it is of the object
    first in the order of paths, which is the earliest day and part; inside one object, the line that is first in the
    order of its bytes. So the choice depends on the data alone, and a month read at once gives the same table as its
    days read one after another. Where rows are appended, there are no duplicates.

    Args:
        parsed: What `parse` returns.
        source: Whose key.

    Returns:
        `record`, `source_file_name`, `fault`, `undeclared` and `duplicate` (boolean, false for lines with a fault).
    """
    duplicate = F.lit(False)
    if source.key:
        key = [F.col("record").getField(name) for name in source.key]
        # Faulty lines have no key worth the name; each goes its own way, so that many of them do not meet in one task.
        apart = F.when(F.col("fault").isNotNull(), F.xxhash64("line"))
        newest = [] if source.version is None else [F.col("record").getField(source.version).desc()]
        order = Window.partitionBy(*key, apart).orderBy(*newest, "source_file_name", "line")
        duplicate = F.col("fault").isNull() & (F.row_number().over(order) > 1)
    return parsed.select("record", "source_file_name", "fault", "undeclared", duplicate.alias("duplicate"))
