"""Where the keys of a batch lie, so that the files of a table in which none of them can be are not read."""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from heapq import nlargest
from itertools import pairwise
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

# Types whose values have a place among the others that is a number.
_KINDS = {"string", "int", "bigint", "decimal", "date"}
# So many ranges are looked for in a column at most: each is compared with the bounds of each file.
_RANGES = 32
# Part of the whole span from which on a gap is one: it may be a file's.
_GAP = 1 / 1024
# Keys that are looked at one by one; of more, where the least and the greatest are.
_FEW = 300_000
# Bytes of a text, after what all have in common, that place it among the others: as many as a double takes exactly.
_BYTES = 6


def within_ranges(rows: DataFrame, key: Sequence[str]) -> Column | None:
    """
    A condition that every row of a table meets whose key is among those of a batch, made of comparisons with constants
    only: Iceberg compares them with the bounds of each file, and Parquet's reader with those of each row group.

    A single span from the least key to the greatest would be the whole table as soon as one old row is among many new
    ones; so the widest gaps between the keys are left out.

    Args:
        rows: With the key columns, cached.
        key: Names of the key columns.

    Returns:
        None if there are no rows, or no column whose values can be ordered so.
    """
    kinds = dict(rows.select(*(f"`{name}`" for name in key)).dtypes)
    ordered = [name for name in key if kinds[name].partition("(")[0] in _KINDS]
    conditions = [_condition(F.col(f"`{name}`"), _ranges(rows, name)) for name in ordered]
    found = [condition for condition in conditions if condition is not None]
    return reduce(and_, found) if found else None


def _condition(column: Column, ranges: Sequence[tuple[Any, Any]]) -> Column | None:
    if not ranges:
        return None
    return reduce(or_, ((column >= F.lit(least)) & (column <= F.lit(most)) for least, most in ranges))


def _ranges(rows: DataFrame, name: str) -> list[tuple[Any, Any]]:
    values = rows.select(F.col(f"`{name}`").alias("key"))
    some = values.limit(_FEW + 1).toArrow().column("key").to_pylist()
    if len(some) <= _FEW:
        return ranges_of(sorted(some))
    bounds = values.agg(F.min("key"), F.max("key")).first()
    assert bounds is not None, "an aggregate without groups has one row"
    return [(bounds[0], bounds[1])]


def ranges_of(values: Sequence[Any], most: int = _RANGES) -> list[tuple[Any, Any]]:
    """
    The ranges, ends included, in which some values lie, with the widest gaps between them left out.

    Args:
        values: Texts, whole numbers, decimals or dates, in their order.
        most: So many ranges at most.
    """
    if not values:
        return []
    common = _common_bytes(values[0], values[-1])
    numbers = [_number(value, common) for value in values]
    least_gap = (numbers[-1] - numbers[0]) * _GAP
    gaps = ((after - before, place) for place, (before, after) in enumerate(pairwise(numbers), start=1))
    starts = sorted(place for gap, place in nlargest(most - 1, gaps) if gap > least_gap)
    return [(values[start], values[end - 1]) for start, end in pairwise([0, *starts, len(values)])]


def _number(value: Any, common: int) -> float:  # noqa: ANN401
    """A number that grows with the value; of a text, by what follows the bytes that all values have in common."""
    if isinstance(value, str):
        part = value.encode()[common : common + _BYTES]
        return float(int.from_bytes(part.ljust(_BYTES, b"\0")))
    if isinstance(value, date):
        return float((value - date(1970, 1, 1)).days)
    return float(value)


def _common_bytes(least: Any, most: Any) -> int:  # noqa: ANN401
    """How many bytes at their beginning two texts have in common; 0 for other values."""
    if not isinstance(least, str):
        return 0
    pairs = enumerate(zip(least.encode(), most.encode(), strict=False))
    return next((position for position, (one, other) in pairs if one != other), len(least.encode()))
