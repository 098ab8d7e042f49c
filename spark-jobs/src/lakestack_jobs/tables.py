"""Iceberg tables: made as declared, and appended to once per key."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.identity import count_properties
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Column

CATALOG = "iceberg"

# Other runs that append to the same table at the same time make a run look again. Each round one of them gets
# through, so this many may go on at once.
_ATTEMPTS = 12
_CONFLICTS = (
    "org.apache.iceberg.exceptions.ValidationException",
    "org.apache.iceberg.exceptions.CommitFailedException",
)


def ensure_table(spark: SparkSession, table: str, columns: Sequence[Column]) -> str:
    """
    Creates a table with exactly these columns, and its namespace, unless it is there.

    Args:
        spark: The session.
        table: "<namespace>.<table>".
        columns: In the table's order.

    Returns:
        The table's name with its catalog.

    Raises:
        JobError: it is there with other columns.
    """
    name = f"{CATALOG}.{table}"
    if not spark.catalog.tableExists(name):
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {CATALOG}.{table.rsplit('.', 1)[0]}")
        definitions = ", ".join(f"`{column.name}` {column.spark_type}" for column in columns)
        # Format version 2: Trino 476 reads no later one.
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS {name} ({definitions}) USING iceberg TBLPROPERTIES ('format-version' = '2')"
        )
    _check_columns(name, found=dict(spark.table(name).dtypes), declared=columns)
    return name


def _check_columns(table: str, *, found: Mapping[str, str], declared: Sequence[Column]) -> None:
    expected = {column.name: column.spark_type.replace("`", "") for column in declared}
    differences = [
        f"{name} is {found.get(name, 'not there')}, declared as {expected.get(name, 'nothing')}"
        for name in [*expected, *(found.keys() - expected.keys())]
        if found.get(name) != expected.get(name)
    ]
    if differences:
        raise JobError(
            f"The table {table} has other columns than its source declares: {'; '.join(differences)}. Change "
            "sources.yaml, or the table with ALTER TABLE."
        )


@dataclass(frozen=True)
class Merged:
    """How many of the rows were in the table already, and how many were added."""

    already_present: int
    inserted: int


def merge(
    spark: SparkSession,
    table: str,
    rows: DataFrame,
    *,
    count: int,
    key: Sequence[str],
    summary: Mapping[str, str],
    before_commit: Callable[[], None] = lambda: None,
) -> Merged:
    """
    Does what `MERGE INTO table USING rows ON key WHEN NOT MATCHED THEN INSERT *` says, in one commit, also while others
    write to the same table.

    Spark plans that statement as an anti-join and a plain append, which Iceberg accepts whatever was committed since
    the table was read: two runs at the same time can both insert one key. Here the append is an overwrite of nothing,
    validated from the snapshot that was read, at the isolation level "serializable": if another run has added rows, the
    commit is refused, and this one looks at the table again
    (https://iceberg.apache.org/docs/latest/spark-configuration/#write-options). The order of the joins also lets Spark
    broadcast the few keys of the batch, where the statement would sort the keys of the whole table. Without new rows
    there is no commit.

    Args:
        spark: The session.
        table: Name with its catalog.
        rows: The table's columns; no key twice, none null. Computed several times: cache what it is made from.
        count: How many rows these are.
        key: Names of the key columns.
        summary: Kept in the summary of the snapshot, beside `lakestack.rows-inserted` and `-already-present`.
        before_commit: Called when the table has been read and the rows are about to be written; for tests.

    Raises:
        Py4JJavaError, PySparkException: the write failed for another reason, or lost against others too often.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        spark.catalog.refreshTable(table)
        snapshot = _current_snapshot(spark, table)
        present = _present_keys(spark, table, snapshot, rows, key).persist()
        try:
            already_present = present.count()
            if already_present < count:
                before_commit()
                counts = count_properties(rows_inserted=count - already_present, rows_already_present=already_present)
                _append(table, rows.join(present, list(key), "left_anti"), snapshot, {**summary, **counts})
            return Merged(already_present, inserted=count - already_present)
        except (Py4JJavaError, PySparkException) as error:
            if attempt == _ATTEMPTS or not any(name in str(error) for name in _CONFLICTS):
                raise
            print(f"{table} was changed meanwhile; looking at it again (attempt {attempt + 1})", flush=True)
            time.sleep(random.uniform(0, 2))
        finally:
            present.unpersist()
    raise AssertionError("the last attempt returns or raises")


def _current_snapshot(spark: SparkSession, table: str) -> int | None:
    """The snapshot that readers of the table see; None before the first commit."""
    row = spark.sql(f"SELECT snapshot_id FROM {table}.refs WHERE name = 'main'").first()
    return None if row is None else int(row[0])


def _present_keys(
    spark: SparkSession, table: str, snapshot: int | None, rows: DataFrame, key: Sequence[str]
) -> DataFrame:
    """Those keys of the rows that the snapshot has."""
    keys = rows.select(*key)
    if snapshot is None:
        return keys.limit(0)
    there = spark.read.option("versionAsOf", snapshot).table(table).select(*key)
    return there.join(keys, list(key), "left_semi").distinct()


def _append(table: str, rows: DataFrame, snapshot: int | None, summary: Mapping[str, str]) -> None:
    options: dict[str, Any] = {f"snapshot-property.{name}": value for name, value in summary.items()}
    options["isolation-level"] = "serializable"
    if snapshot is not None:
        options["validate-from-snapshot-id"] = str(snapshot)
    writer = reduce(lambda writer, option: writer.option(*option), options.items(), rows.writeTo(table))
    writer.overwrite(F.lit(False))
