"""Columns that the data or the declaration have and the table has not, and types that are wider than the table's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import load
from lakestack_jobs.formats import Reader, reader_like
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Column, Source

# What a JSON number with a fraction, a value of several types, and an object without fields become.
_SCALARS = {"BIGINT": "bigint", "DOUBLE": "double", "FLOAT": "double", "BOOLEAN": "boolean", "STRING": "string"}
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Changes:
    """What a batch brings: a source with its new columns and types, and what these are, in words."""

    source: Source
    told: tuple[str, ...]


def promotes(narrow: str, wide: str) -> bool:
    """
    Whether Iceberg lets a column change from one type to the other.

    https://iceberg.apache.org/spec/#schema-evolution
    """
    if (narrow, wide) in {("int", "bigint"), ("float", "double")}:
        return True
    before, after = (re.fullmatch(r"decimal\((\d+),(\d+)\)", kind) for kind in (narrow, wide))
    if before is None or after is None:
        return False
    return before[2] == after[2] and int(before[1]) < int(after[1])


def widest(kind: str) -> str | None:
    """The widest type that a column's type may become; None if there is no wider one."""
    scale = re.fullmatch(r"decimal\((\d+),(\d+)\)", kind)
    if scale is not None:
        return f"decimal(38,{scale[2]})" if int(scale[1]) < 38 else None
    return {"int": "bigint", "float": "double"}.get(kind)


def reconcile(spark: SparkSession, table: str, source: Source) -> Source:
    """
    Gives the table the declared columns that it lacks and the declared types that are wider than its own.

    Args:
        spark: The session.
        table: Name with its catalog.
        source: Declared with `evolve`.

    Returns:
        The source with the columns and types that the table has beyond the declared ones.

    Raises:
        JobError: a type of the table is neither wider nor narrower than the declared one.
    """
    for attempt in (1, 2, 3):
        load(spark, table)
        found = dict(spark.table(table).dtypes)
        try:
            for statement in _statements(table, source, found):
                spark.sql(statement)
            return replace(source, columns=_effective(source, dict(spark.table(table).dtypes)))
        except (Py4JJavaError, PySparkException):
            # Another run has made the same change; then there is nothing left to do.
            if attempt == 3:
                raise
    raise AssertionError("the last attempt returns or raises")


def _statements(table: str, source: Source, found: Mapping[str, str]) -> list[str]:
    statements, conflicts = [], []
    for column in source.table_columns:
        kind, declared = found.get(column.name), _plain(column.spark_type)
        if kind is None:
            statements.append(f"ALTER TABLE {table} ADD COLUMN `{column.name}` {column.spark_type}")
        elif promotes(kind, declared):
            statements.append(f"ALTER TABLE {table} ALTER COLUMN `{column.name}` TYPE {column.spark_type}")
        elif kind != declared and not promotes(declared, kind):
            conflicts.append(f"{column.name} is {kind}, declared as {declared}")
    if conflicts:
        raise JobError(
            f"The table {table} has other types than its source declares, and they can't become the same: "
            f"{'; '.join(conflicts)}. Change sources.yaml, or the table with ALTER TABLE."
        )
    return statements


def _effective(source: Source, found: Mapping[str, str]) -> tuple[Column, ...]:
    declared = {column.name: column for column in source.columns}
    system = {column.name for column in source.lineage}
    kept = [
        replace(column, spark_type=found[name]) if promotes(_plain(column.spark_type), found[name]) else column
        for name, column in declared.items()
    ]
    more = [Column(name, kind) for name, kind in found.items() if name not in declared and name not in system]
    return (*kept, *more)


def _plain(spark_type: str) -> str:
    return spark_type.replace("`", "")


def find_changes(
    source: Source, reader: Reader, *, undeclared: Mapping[str, str], faulty: Sequence[str]
) -> Changes | None:
    """
    What would have to change for more of a batch to arrive.

    Args:
        source: As the table is now.
        reader: Of the batch.
        undeclared: Fields that no column takes, with their types.
        faulty: Paths of the files with faulty lines.

    Returns:
        None if nothing would help.
    """
    added = [Column(name, kind) for name, kind in undeclared.items() if kind and _can_be_added(name, source)]
    wider = _wider(source, reader, faulty) if faulty else {}
    if not added and not wider:
        return None
    columns = [replace(column, spark_type=wider.get(column.name, column.spark_type)) for column in source.columns]
    told = [f"column {column.name} {_plain(column.spark_type)} added" for column in added]
    told += [f"column {name} widened to {kind}" for name, kind in wider.items()]
    return Changes(replace(source, columns=(*columns, *added)), tuple(told))


def _can_be_added(name: str, source: Source) -> bool:
    return _NAME.fullmatch(name) is not None and all(name != column.name for column in source.table_columns)


def _wider(source: Source, reader: Reader, faulty: Sequence[str]) -> dict[str, str]:
    """The columns in which a row that would be good needs the wider type."""
    candidates = {
        column.name: (column.spark_type, wide) for column in source.columns if (wide := widest(column.spark_type))
    }
    if not candidates:
        return {}
    columns = tuple(
        replace(column, spark_type=candidates[column.name][1]) if column.name in candidates else column
        for column in source.columns
    )
    wide_reader = reader_like(reader, replace(source, columns=columns))
    rows = wide_reader.parse(wide_reader.read(faulty)).where("fault IS NULL")
    needed = rows.agg(
        *(
            F.coalesce(
                F.bool_or(
                    F.col("record").getField(name).isNotNull()
                    & F.col("record").getField(name).try_cast(narrow).isNull()
                ),
                F.lit(False),
            ).alias(name)
            for name, (narrow, _) in candidates.items()
        )
    ).first()
    assert needed is not None, "an aggregate without groups has one row"
    return {name: wide for name, (_, wide) in candidates.items() if needed[name]}


def undeclared_types(rows: DataFrame, names: Sequence[str]) -> dict[str, str]:
    """
    The types of fields that no column takes.

    Args:
        rows: Parsed, with `undeclared`; those of CSV have `cells`.
        names: The fields.

    Returns:
        Spark's name of each type; "" where all values are null.
    """
    if "cells" in rows.columns:
        return dict.fromkeys(names, "string")
    value = F.try_parse_json("line")
    # A name with these signs can't be written in a path, and could not be a column's either.
    paths = {name: f"$['{name}']" for name in names if not re.search(r"['\\]", name)}
    schemas = [
        F.schema_of_variant_agg(F.try_variant_get(value, path, "variant")).alias(f"c{position}")
        for position, path in enumerate(paths.values())
    ]
    kinds = rows.agg(F.count("*"), *schemas).first()
    assert kinds is not None, "an aggregate without groups has one row"
    found = {name: spark_type(kinds[f"c{position}"]) for position, name in enumerate(paths)}
    return {name: found.get(name, "string") for name in names}


def spark_type(variant: str) -> str:
    """
    A column's type from a variant's: "OBJECT<a: BIGINT>" is "struct<`a`:bigint>". What has no one type is text, the
    JSON that it was; what is always null has none ("").
    """
    kind, rest = _parse(variant)
    if rest.strip():
        raise ValueError(f"{variant} is not a variant's type")
    return kind


def _parse(text: str) -> tuple[str, str]:
    text = text.lstrip()
    if text.startswith("ARRAY<"):
        element, rest = _parse(text.removeprefix("ARRAY<"))
        return f"array<{element or 'string'}>", rest.lstrip().removeprefix(">")
    if text.startswith("OBJECT<"):
        return _object(text.removeprefix("OBJECT<"))
    match = re.match(r"(\w+)(\([^)]*\))?", text)
    if match is None:
        raise ValueError(f"{text} is not a variant's type")
    rest = text[match.end() :]
    if match[1] == "DECIMAL":
        return "double", rest
    return ("" if match[1] == "VOID" else _SCALARS.get(match[1], "string")), rest


def _object(text: str) -> tuple[str, str]:
    fields: list[str] = []
    while not text.lstrip().startswith(">"):
        match = re.match(r"\s*,?\s*(?:`((?:[^`]|``)*)`|([^:`]+)):\s*", text)
        if match is None:
            raise ValueError(f"{text} is not a list of fields")
        kind, text = _parse(text[match.end() :])
        name = (match[1] or match[2] or "").replace("``", "`")
        fields.append(f"`{name}`:{kind or 'string'}" if _NAME.fullmatch(name) else "")
    rest = text.lstrip().removeprefix(">")
    # A field that could not be a column makes the whole object text: nothing of it is lost.
    return (f"struct<{','.join(fields)}>" if fields and all(fields) else "string"), rest
