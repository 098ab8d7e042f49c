"""The tables of the declared sources, made through Trino."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakestack.sources import Source

# Runs a statement with its parameters and returns the rows.
Query = Callable[[str, Sequence[str]], Sequence[Sequence[Any]]]


def quoted(name: str) -> str:
    """A name as Trino takes it in a statement, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def table_name(source: Source, suffix: str = "") -> str:
    """The name of a source's table in a statement, or of one beside it."""
    namespace, table = source.table.split(".")
    return f"{quoted(namespace)}.{quoted(table + suffix)}"


def create_table(query: Query, source: Source) -> str | None:
    """
    Creates a source's table and its namespace unless they are there.

    Returns:
        How the table that is there differs from the declared one; None if it does not.
    """
    namespace, table = source.table.split(".")
    query(f"CREATE SCHEMA IF NOT EXISTS {quoted(namespace)}", [])
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in source.columns.items())
    properties = "format_version = 2"
    if source.partitioning:
        fields = ", ".join(f"'{field}'" for field in source.partitioning)
        properties += f", partitioning = ARRAY[{fields}]"
    query(f"CREATE TABLE IF NOT EXISTS {table_name(source)} ({columns}) WITH ({properties})", [])
    rows = query(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
        [namespace, table],
    )
    return difference(source, {str(name): str(kind) for name, kind in rows})


def difference(source: Source, found: Mapping[str, str]) -> str | None:
    """
    Says in which columns a table differs from its declaration, in words; None if in none.

    The columns of a source that evolves may be more and wider than declared; what the table lacks yet, it gets from the
    next batch.
    """
    faults = [
        f"{name} is {found.get(name, 'not there')}, declared as {source.columns.get(name, 'nothing')}"
        for name in [*source.columns, *(name for name in found if name not in source.columns)]
        if _plain(found.get(name)) != _plain(source.columns.get(name))
        and not (source.evolves and _may_become_equal(found.get(name), source.columns.get(name)))
    ]
    if not faults:
        return None
    return f"The table {source.table} has other columns than its source {source.name} declares: {'; '.join(faults)}."


def _plain(kind: str | None) -> str | None:
    """A type without the quotes and spaces that make no difference."""
    return None if kind is None else kind.replace('"', "").replace(", ", ",")


def _may_become_equal(found: str | None, declared: str | None) -> bool:
    if found is None or declared is None:
        return True
    kinds = {_family(found), _family(declared)}
    return len(kinds) == 1 or kinds in ({"integer", "bigint"}, {"real", "double"})


def _family(kind: str) -> str:
    """A type without the precision of a decimal, which may grow."""
    return re.sub(r"decimal\(\d+,", "decimal(", _plain(kind) or "")
