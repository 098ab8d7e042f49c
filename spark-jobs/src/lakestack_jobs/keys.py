"""The keys of a batch: each once, and of the rows that share one, one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.sources import Source

# No declared column can be called so.
_ROWS, _FAULTS, _OTHERS = "how many rows", "how many faults", "any undeclared"
# For JSON that differs where records do; by default it has milliseconds of a time.
_TIME = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"
_EXACT = {"timestampFormat": f"{_TIME}XXX", "timestampNTZFormat": _TIME}


@dataclass(frozen=True)
class Counts:
    """
    Of a batch as it was read.

    `read` are all its rows and faulty lines, `rejected` the faulty lines; `keys` different keys are in the good rows,
    `repeated` of them more than once. Where rows are appended, each file counts as one key. `undeclared` are the fields
    that no column takes.
    """

    read: int
    rejected: int
    keys: int
    repeated: int
    undeclared: tuple[str, ...]


def key_of(source: Source) -> Sequence[str]:
    """
    The columns that tell whether rows are in the table. Rows without a key are appended once an object: what the table
    has of an object is all of it, for a commit is whole or not there.
    """
    return source.key or ("source_file_name",)


@contextmanager
def counted_keys(parsed: DataFrame, source: Source) -> Iterator[tuple[DataFrame, Counts]]:
    """
    Counts a batch by its keys, in one look at it.

    Only keys travel between tasks to find out which come more than once: records are long, and few of them do.

    Args:
        parsed: `record`, `source_file_name`, `fault` and `undeclared`.
        source: Whose key.

    Yields:
        The keys of the good rows, each once, and how often they come, cached; and the counts.
    """
    faulty = F.col("fault").isNotNull()
    # Faulty lines have no key worth the name: they are counted as rows of none.
    key = [F.when(~faulty, _value(source, name)).alias(name) for name in key_of(source)]
    grouped = (
        parsed.select(*key, faulty.alias(_FAULTS), F.col("undeclared").isNotNull().alias(_OTHERS))
        .groupBy(*key_of(source))
        .agg(
            F.count("*").alias(_ROWS),
            F.count_if(_FAULTS).alias(_FAULTS),
            F.bool_or(_OTHERS).alias(_OTHERS),
        )
        .persist()
    )
    try:
        good = F.col(_FAULTS) == 0
        row = grouped.agg(
            F.coalesce(F.sum(_ROWS), F.lit(0)).alias("read"),
            F.coalesce(F.sum(_FAULTS), F.lit(0)).alias("rejected"),
            F.count_if(good).alias("keys"),
            F.count_if(good & (F.col(_ROWS) > 1)).alias("repeated"),
            F.coalesce(F.bool_or(_OTHERS), F.lit(False)).alias("others"),
        ).first()
        assert row is not None, "an aggregate without groups has one row"
        undeclared = _undeclared(parsed) if row.others else ()
        yield grouped.where(good), Counts(row.read, row.rejected, row.keys, row.repeated, undeclared)
    finally:
        grouped.unpersist()


def unique_rows(parsed: DataFrame, keys: DataFrame, counts: Counts, source: Source) -> DataFrame:
    """
    Leaves out all but one of the records that share a key, and the lines that are none.

    The one that stays is the one with the highest version, if the source has versions. Among equals it is of the object
    first in the order of paths, which is the earliest day and part; inside one object, the record that is first when
    written as JSON. So the choice depends on the data alone, and a month read at once gives the same table as its days
    read one after another. Where rows are appended, all stay.

    Args:
        parsed: `record`, `source_file_name` and `fault`, cached.
        keys: What `counted_keys` yields.
        counts: Its counts.
        source: Whose key.

    Returns:
        `record` and `source_file_name`.
    """
    columns = ["record", "source_file_name"]
    good = parsed.where(F.col("fault").isNull())
    if not source.key or not counts.repeated:
        return good.select(*columns)
    names = [f"key {position}" for position, _ in enumerate(source.key)]
    keyed = good.select("*", *(_value(source, of).alias(name) for of, name in zip(source.key, names, strict=True)))
    repeated = keys.where(F.col(_ROWS) > 1).select(
        *(F.col(f"`{of}`").alias(name) for of, name in zip(source.key, names, strict=True))
    )
    newest = [] if source.version is None else [F.col("record").getField(source.version).desc()]
    order = Window.partitionBy(*names).orderBy(*newest, "source_file_name", F.to_json("record", _EXACT))
    several = keyed.join(repeated, names, "left_semi").withColumn("place", F.row_number().over(order))
    chosen, alone = several.where("place = 1"), keyed.join(repeated, names, "left_anti")
    return alone.select(*columns).unionByName(chosen.select(*columns))


def _value(source: Source, name: str) -> Column:
    return F.col("record").getField(name) if source.key else F.col(name)


def _undeclared(parsed: DataFrame) -> tuple[str, ...]:
    names = parsed.select(F.explode("undeclared").alias("name")).distinct().orderBy("name")
    return tuple(row.name for row in names.collect())
