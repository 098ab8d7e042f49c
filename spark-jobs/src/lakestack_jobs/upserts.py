"""Rows that replace older ones of the same key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import current_snapshot
from lakestack_jobs.identity import count_properties
from lakestack_jobs.tables import Merged, append, present_keys, retry_conflicts

# Deletes are written beside the data files, so that a batch costs by its own size; compaction merges them.
PROPERTIES: Mapping[str, str] = {
    "write.merge.mode": "merge-on-read",
    "write.merge.isolation-level": "serializable",
}

_CHANGES = "lakestack_changes"
_SESSION_PROPERTY = "spark.sql.iceberg.snapshot-property"


def upsert(
    spark: SparkSession,
    table: str,
    rows: DataFrame,
    *,
    count: int,
    key: Sequence[str],
    version: str,
    summary: Mapping[str, str],
    keys: DataFrame | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> Merged:
    """
    Adds the rows whose key is not in the table, and replaces those in the table whose version is lower, in one commit.

    At an equal version the row in the table stays, so that a repeated run changes nothing and commits nothing. What is
    replaced is decided by a MERGE statement at the isolation level "serializable": it fails, and is done again, if
    another run has changed the table since the statement read it.

    Args:
        spark: The session.
        table: Name with its catalog.
        rows: The table's columns; no key twice, no key or version null. Computed several times.
        count: How many rows these are.
        key: Names of the key columns.
        version: Name of the version column.
        summary: Kept in the summary of the snapshot.
        keys: The keys of the rows, cached; else they are taken from the rows.
        before_commit: Called when the table has been read and the rows are about to be written; for tests.
    """

    def attempt() -> Merged:
        snapshot = current_snapshot(spark, table)
        there = present_keys(spark, table, snapshot, rows if keys is None else keys, key, version).select(
            *key, F.col(f"`{version}`").alias("version there"), F.lit(True).alias("is there")
        )
        newer = F.col("`version there`").isNull() | (F.col(f"`{version}`") > F.col("`version there`"))
        changes = rows.join(there, list(key), "left").where(newer).persist()
        try:
            counted = changes.agg(F.count("*").alias("all"), F.count("`is there`").alias("updated")).first()
            assert counted is not None, "an aggregate without groups has one row"
            updated, inserted = counted["updated"], counted["all"] - counted["updated"]
            merged = Merged(count - inserted - updated, inserted, updated)
            if inserted or updated:
                before_commit()
            if updated:
                _merge(spark, table, changes.select(*rows.columns), key, version, summary)
            elif inserted:
                counts = count_properties(rows_inserted=inserted, rows_already_present=merged.already_present)
                append(table, changes.select(*rows.columns), snapshot, {**summary, **counts})
            return merged
        finally:
            changes.unpersist()

    return retry_conflicts(table, attempt)


def _merge(
    spark: SparkSession, table: str, rows: DataFrame, key: Sequence[str], version: str, summary: Mapping[str, str]
) -> None:
    rows.createOrReplaceTempView(_CHANGES)
    match = " AND ".join(f"t.`{name}` = s.`{name}`" for name in key)
    with _summarised(spark, summary):
        spark.sql(
            f"MERGE INTO {table} t USING {_CHANGES} s ON {match} "
            f"WHEN MATCHED AND (t.`{version}` IS NULL OR s.`{version}` > t.`{version}`) THEN UPDATE SET * "
            "WHEN NOT MATCHED THEN INSERT *"
        )


@contextmanager
def _summarised(spark: SparkSession, summary: Mapping[str, str]) -> Iterator[None]:
    """Properties of the snapshots that statements of this session make."""
    for name, value in summary.items():
        spark.conf.set(f"{_SESSION_PROPERTY}.{name}", value)
    try:
        yield
    finally:
        for name in summary:
            spark.conf.unset(f"{_SESSION_PROPERTY}.{name}")
