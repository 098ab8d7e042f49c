"""Where the keys of a batch lie, so that the files of a table in which none of them can be are not read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import pairwise
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

# So many ranges are looked for in a column at most: each is compared with the bounds of each file.
_RANGES = 32
_BINS = 1024
# Bytes of a text, after what all have in common, that place it among the others: as many as a double takes exactly.
_BYTES = 6


@dataclass(frozen=True)
class Range:
    """From a value to another, both included; `first` and `last` are the bins that they are in."""

    least: Any
    most: Any
    first: int
    last: int


def within_ranges(rows: DataFrame, key: Sequence[str]) -> Column | None:
    """
    A condition that every row of a table meets whose key is among those of a batch, made of comparisons with constants
    only: Iceberg compares them with the bounds of each file, and Parquet's reader with those of each row group.

    A single span from the least key to the greatest would be the whole table as soon as one old row is among many new
    ones; so the keys are sorted into bins, and spans without any are left out.

    Args:
        rows: With the key columns, cached.
        key: Names of the key columns.

    Returns:
        None if there are no rows, or no column whose values can be ordered so.
    """
    kinds = dict(rows.select(*key).dtypes)
    found = [_condition(rows.select(F.col(f"`{name}`").alias("key")), name, kinds) for name in key]
    conditions = [condition for condition in found if condition is not None]
    return reduce(and_, conditions) if conditions else None


def _condition(values: DataFrame, name: str, kinds: dict[str, str]) -> Column | None:
    bounds = values.agg(F.min("key").alias("least"), F.max("key").alias("most")).first()
    if bounds is None or bounds.least is None:
        return None
    common = _common_bytes(bounds.least, bounds.most)
    place = _place(kinds[name], common)
    if place is None:
        return None
    lowest, highest = _number(bounds.least, common), _number(bounds.most, common)
    width = (highest - lowest) / _BINS or 1.0
    number = F.least(F.floor((place - F.lit(lowest)) / F.lit(width)), F.lit(_BINS - 1)).cast("int")
    bins = values.groupBy(number.alias("bin")).agg(F.min("key").alias("least"), F.max("key").alias("most")).collect()
    ranges = joined(Range(row.least, row.most, row.bin, row.bin) for row in bins)
    column = F.col(f"`{name}`")
    return reduce(or_, ((column >= F.lit(each.least)) & (column <= F.lit(each.most)) for each in ranges))


def _place(kind: str, common: int) -> Column | None:
    """A number that grows with the value; of a text, by what follows the bytes that all values have in common."""
    value = F.col("key")
    match kind.partition("(")[0]:
        case "string":
            part = F.hex(F.substring(value.cast("binary"), common + 1, _BYTES))
            return F.conv(F.rpad(part, 2 * _BYTES, "0"), 16, 10).cast("double")
        case "int" | "bigint" | "decimal":
            return value.cast("double")
        case "date":
            return F.unix_date(value).cast("double")
        case _:
            return None


def _number(value: Any, common: int) -> float:  # noqa: ANN401
    """The place of one value, as `_place` has it."""
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


def joined(ranges: Iterable[Range], most: int = _RANGES) -> list[Range]:
    """Joins neighbouring ranges, the nearest first, until only some are left; those of adjoining bins in any case."""
    left = sorted(ranges, key=lambda each: each.first)
    gaps = sorted((after.first - before.last for before, after in pairwise(left)), reverse=True)
    # The widest gaps stay: one less than there may be ranges.
    narrowest = max(2, gaps[most - 2] if len(gaps) >= most - 1 else 2)
    result: list[Range] = []
    for each in left:
        if result and (each.first - result[-1].last < narrowest or len(result) == most):
            result[-1] = Range(result[-1].least, each.most, result[-1].first, each.last)
        else:
            result.append(each)
    return result
