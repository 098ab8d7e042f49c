"""Of the rows of a batch that share a key, one."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.sources import Source


@contextmanager
def unique_rows(parsed: DataFrame, source: Source) -> Iterator[tuple[DataFrame, int]]:
    """
    Leaves out all but one of the records that share a key, and the lines that are none.

    The one that stays is the one with the highest version, if the source has versions. Among equals it is of the object
    first in the order of paths, which is the earliest day and part; inside one object, the line that is first in the
    order of its bytes. So the choice depends on the data alone, and a month read at once gives the same table as its
    days read one after another. Where rows are appended, there are no duplicates.

    Only keys travel between tasks to find those that come more than once, and then only the rows of these: records are
    long, and few of them come twice.

    Args:
        parsed: `record`, `source_file_name`, `fault` and `line`, cached.
        source: Whose key.

    Yields:
        `record` and `source_file_name` of the rows that stay, and how many do not. Computed from what is cached.
    """
    good = parsed.where(F.col("fault").isNull())
    if not source.key:
        yield good.select("record", "source_file_name"), 0
        return
    names = [f"key {position}" for position, _ in enumerate(source.key)]
    key = [F.col("record").getField(column).alias(name) for column, name in zip(source.key, names, strict=True)]
    repeated = good.select(*key).groupBy(*names).count().where("count > 1").persist()
    try:
        counted = repeated.agg(F.count("*").alias("keys"), F.sum("count").alias("rows")).first()
        assert counted is not None, "an aggregate without groups has one row"
        if counted["keys"] == 0:
            yield good.select("record", "source_file_name"), 0
            return
        keyed, others = good.select("*", *key), repeated.drop("count")
        newest = [] if source.version is None else [F.col("record").getField(source.version).desc()]
        order = Window.partitionBy(*names).orderBy(*newest, "source_file_name", "line")
        several = keyed.join(others, names, "left_semi").withColumn("place", F.row_number().over(order))
        chosen, alone = several.where("place = 1"), keyed.join(others, names, "left_anti")
        columns = ["record", "source_file_name"]
        yield alone.select(*columns).unionByName(chosen.select(*columns)), counted["rows"] - counted["keys"]
    finally:
        repeated.unpersist()
