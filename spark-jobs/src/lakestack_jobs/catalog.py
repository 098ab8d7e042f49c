"""Iceberg's own view of the tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

CATALOG = "iceberg"


def load(spark: SparkSession, table: str) -> Any:  # noqa: ANN401
    """A table (named with its catalog) as the catalog has it now: org.apache.iceberg.Table."""
    spark.catalog.refreshTable(table)
    context: Any = spark.sparkContext
    return context._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)


@dataclass(frozen=True)
class Snapshot:
    """
    What readers of a table see; `rows` is how many they are, deleted ones included, and `delete_files` how many files
    say which are deleted.
    """

    id: int
    rows: int
    delete_files: int


def current_snapshot(spark: SparkSession, table: str) -> Snapshot | None:
    """The snapshot that readers of the table see; None before the first commit."""
    snapshot = load(spark, table).currentSnapshot()
    if snapshot is None:
        return None
    totals = (int(snapshot.summary().get(f"total-{name}") or 0) for name in ("records", "delete-files"))
    return Snapshot(int(snapshot.snapshotId()), *totals)


def history(loaded: Any) -> Iterator[Any]:  # noqa: ANN401
    """The snapshots that led to what readers see, newest first; what was rolled back is not among them."""
    snapshot = loaded.currentSnapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parentId()
        snapshot = None if parent is None else loaded.snapshot(parent)
