"""From CSV to rows of a table, and to the records that are none."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.rows import MISFIT_COLUMN, NOT_UTF8, undeclared_names, with_missing_values
from lakestack_jobs.sources import Source

WRONG_COUNT = "not as many fields as the header has"

_FIELDS = "fields of the record"

# RFC 4180: a quote inside quotes is written twice. https://www.rfc-editor.org/rfc/rfc4180
_DIALECT = {"quote": '"', "escape": '"'}


def csv_lines(spark: SparkSession, header: Sequence[str], paths: list[str], *, despite_damage: bool) -> DataFrame:
    """
    Reads files that have the same header; a field may hold line breaks.

    Returns:
        `line` (the record; written anew if it could be split), `unreadable` (why it could not), `cells` (map of the
        columns' names to their text).
    """
    names = [f"c{position}" for position in range(len(header))]
    schema = ", ".join(f"{name} string" for name in names)
    options: dict[str, Any] = {
        **_DIALECT,
        "header": True,
        # Line by line, a cut file gives what was before the cut.
        "multiLine": not despite_damage,
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": MISFIT_COLUMN,
        "ignoreCorruptFiles": despite_damage,
    }
    records = spark.read.options(**options).schema(f"{schema}, `{MISFIT_COLUMN}` string").csv(paths)
    misfit = F.col(f"`{MISFIT_COLUMN}`")
    cells = F.map_from_arrays(F.array(*(F.lit(name) for name in header)), F.array(*names))
    return records.select(
        F.coalesce(misfit, F.to_csv(F.struct(*names), _DIALECT)).alias("line"),
        F.when(misfit.isNotNull(), WRONG_COUNT).alias("unreadable"),
        cells.alias("cells"),
        "_metadata",
    )


def split_records(rows: DataFrame, header: Sequence[str]) -> DataFrame:
    """
    Splits records that were read before: adds `cells`, as `csv_lines` does, and says in `unreadable` if one can't be
    split.

    Args:
        rows: `line` and `unreadable`; the records of files that have the same header.
        header: Names of the columns, in order.
    """
    names = [f"c{position}" for position in range(len(header))]
    schema = ", ".join(f"{name} string" for name in [*names, f"`{MISFIT_COLUMN}`"])
    options = {**_DIALECT, "mode": "PERMISSIVE", "columnNameOfCorruptRecord": MISFIT_COLUMN}
    fields = F.col(_FIELDS)
    cells = F.map_from_arrays(F.array(*map(F.lit, header)), F.array(*(fields.getField(name) for name in names)))
    return (
        rows.withColumn(_FIELDS, F.from_csv("line", schema, options))
        .withColumn(
            "unreadable",
            F.coalesce("unreadable", F.when(fields.getField(MISFIT_COLUMN).isNotNull(), WRONG_COUNT)),
        )
        .withColumn("cells", cells)
        .drop(_FIELDS)
    )


def parse_csv(rows: DataFrame, source: Source) -> DataFrame:
    """
    Parses records. An empty field is null, in a text column unless it has quotes. What does not fit its type, or would
    lose a part of it, is a fault of the whole record.

    Args:
        rows: What `csv_lines` returns, with `source_file_name`.
        source: What to expect.

    Returns:
        The columns of `rows`, `record`, `fault` and `undeclared`, as `rows.parse` does.
    """
    values = {column.name: _typed(column.name, column.spark_type) for column in source.columns}
    misfits = F.concat_ws(
        "; ",
        *(
            F.when(_lost(column.name, column.spark_type), f"column {column.name} is not {column.spark_type}")
            for column in source.columns
        ),
    )
    fault = (
        F.when(F.col("unreadable").isNotNull(), F.col("unreadable"))
        # What was no UTF-8, Spark's reader has replaced by this sign.
        .when(F.contains("line", F.lit("\ufffd")), NOT_UTF8)
        .when(misfits != "", misfits)
    )
    filled = F.map_filter("cells", lambda _, text: text.isNotNull())
    return (
        rows.withColumn("fault", with_missing_values(fault, source, lambda name: values[name]))
        .withColumn("undeclared", undeclared_names(F.map_keys(filled), source))
        .withColumn("record", F.struct(*(value.alias(name) for name, value in values.items())))
    )


def _text(name: str) -> Column:
    """The text of a field that holds something."""
    text = F.col("cells").getItem(name)
    return F.when(F.trim(text) != "", F.trim(text))


def _typed(name: str, spark_type: str) -> Column:
    return F.col("cells").getItem(name) if spark_type == "string" else _text(name).try_cast(spark_type)


def _lost(name: str, spark_type: str) -> Column:
    """Whether the type would lose something of a field's text: all of it, or a part that Spark's cast leaves out."""
    text = _text(name)
    lost = text.isNotNull() & _typed(name, spark_type).isNull()
    if spark_type == "date":
        lost |= ~text.rlike(r"^\d{4}-\d\d-\d\d$")
    elif spark_type == "timestamp_ntz":
        lost |= text.rlike(r"\d(Z|[A-Z]{3,}|[+-]\d\d(:?\d\d)?)$") & text.rlike(":")
    elif spark_type.startswith("decimal"):
        scale = int(spark_type.rstrip(")").split(",")[1])
        lost |= text.rlike(rf"\.\d{{{scale}}}\d*[1-9]")
    return F.lit(False) if spark_type == "string" else lost
