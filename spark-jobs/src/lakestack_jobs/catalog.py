"""Iceberg's own view of the tables."""

from typing import Any

from pyspark.sql import SparkSession

CATALOG = "iceberg"


def load(spark: SparkSession, table: str) -> Any:  # noqa: ANN401
    """A table (named with its catalog) as the catalog has it now: org.apache.iceberg.Table."""
    spark.catalog.refreshTable(table)
    context: Any = spark.sparkContext
    return context._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)


def current_snapshot(spark: SparkSession, table: str) -> int | None:
    """The snapshot that readers of the table see; None before the first commit."""
    snapshot = load(spark, table).currentSnapshot()
    return None if snapshot is None else int(snapshot.snapshotId())
