"""From JSON to rows of a table, and to the lines that are none."""

import secrets
from collections.abc import Callable
from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.sources import Source

# Spark's name for the text of a line that did not fit the schema. No declared column can be called so.
MISFIT_COLUMN = "line that does not fit"

NOT_UTF8 = "not valid UTF-8"
NOT_AN_OBJECT = "not one complete JSON object"
MISFIT = "ill-typed"

# A field that no data have, for nobody can know its name before the job runs.
_LAST_FIELD = secrets.token_hex(16)


def is_blank(line: Column) -> Column:
    """Whether a line has no character but white space: no row, and no fault."""
    # From one side only: from the right, Spark looks for the place of every character first.
    return ~_begins(line) & (F.ltrim(line, F.lit(" \t\r\ufeff")) == "")


def _begins(line: Column) -> Column:
    """Whether an object begins at the line's first character, as with nearly all: trimming would copy the line."""
    return F.left(line, F.lit(1)) == "{"


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
    schema = ", ".join(f"`{column.field}` {column.spark_type}" for column in source.columns)
    record = F.from_json(
        F.col("line"),
        f"{schema}, `{MISFIT_COLUMN}` string",
        {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": MISFIT_COLUMN},
    )
    line = F.col("line")
    names = F.when(F.col("alone"), F.col("names")).otherwise(F.json_object_keys(line))
    # One step for what needs nothing of the others: Spark looks through the whole plan at each.
    return (
        lines.where(F.col("unreadable").isNotNull() | ~is_blank(line))
        .withColumns({"record": record, "names": F.json_object_keys(_with_last_field(line))})
        .withColumn("alone", F.try_element_at("names", F.lit(-1)).eqNullSafe(_LAST_FIELD))
        .withColumns({"fault": _fault(source), "names": names})
        .withColumns(
            {
                "undeclared": F.when(~_all_declared(source), undeclared_names(F.col("names"), source)),
                "record": F.struct(*(_value(column.field).alias(column.name) for column in source.columns)),
            }
        )
        .drop("names", "alone")
    )


def _all_declared(source: Source) -> Column:
    """
    Whether a line has as many fields as there are columns among them: then each field is one of these. Told sooner than
    by comparing all names, for a column with a value was there without looking; false where a field comes twice, too.
    """
    there = [
        (_value(column.field).isNotNull() | F.array_contains("names", column.field)).cast("int")
        for column in source.columns
    ]
    return F.col("alone") & (F.size("names") == reduce(add, there, F.lit(1)))


def _with_last_field(line: Column) -> Column:
    """
    The line with one more field before its last brace.

    If that is the last field of the first object in it, the line is that object and nothing else: one look at its names
    tells both, where counting the values of the line would be another. Null if there is no such brace; the same field
    would be nowhere if it stood in a text, in an inner object, or behind the first one.
    """
    trimmed = F.rtrim(line)
    # Bytes, for the place of a character in a text is found by counting.
    before = F.substring(trimmed.cast("binary"), F.lit(1), F.octet_length(trimmed) - 1)
    end = F.lit(f',"{_LAST_FIELD}":0}}'.encode())
    return F.when(F.endswith(trimmed, F.lit("}")), F.concat(before, end).cast("string"))


def undeclared_names(names: Column, source: Source) -> Column:
    """Those of a row's fields that no column takes; null if there are none, or the row has a fault."""
    known = [*(column.field for column in source.columns), _LAST_FIELD]
    others = F.array_except(names, F.array(*map(F.lit, known)))
    return F.when(F.col("fault").isNull() & (F.size(others) > 0), others)


def _fault(source: Source) -> Column:
    line = F.col("line")
    # from_json stops after the first object of a line. Inside brackets, whatever follows it shows.
    single = F.json_array_length(F.concat(F.lit("["), line, F.lit("]"))).eqNullSafe(1)
    misfit = _value(MISFIT_COLUMN).isNotNull()
    fault = (
        F.when(F.col("unreadable").isNotNull(), F.col("unreadable"))
        .when(~F.is_valid_utf8(line), NOT_UTF8)
        .when(~(F.col("alone") | single) | ~(_begins(line) | F.ltrim(line).startswith("{")), NOT_AN_OBJECT)
        .when(misfit, MISFIT)
    )
    fields = {column.name: column.field for column in source.columns}
    return with_missing_values(fault, source, lambda name: _value(fields[name]))


def with_missing_values(fault: Column, source: Source, value_of: Callable[[str], Column]) -> Column:
    """Adds to a chain of faults that the key or the version has no value."""
    for name in source.key:
        value = value_of(name)
        missing = value.isNull() | (F.trim(value.cast("string")) == "")
        fault = fault.when(missing, f"key column {name} is missing, null or empty")
    if source.version is not None:
        fault = fault.when(value_of(source.version).isNull(), f"version column {source.version} is missing or null")
    return fault


def _value(field: str) -> Column:
    return F.col("record").getField(field)


def explain_misfits(parsed: DataFrame, source: Source) -> DataFrame:
    """Names, in `fault`, the columns that do not fit their types. Parses once a column: for few lines only."""
    fits = {
        column.name: F.from_json(
            F.col("line"),
            f"`{column.field}` {column.spark_type}, `{MISFIT_COLUMN}` string",
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
