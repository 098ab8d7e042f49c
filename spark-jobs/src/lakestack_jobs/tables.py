"""Iceberg tables: made as declared, and appended to once per key."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import CATALOG, Snapshot, current_snapshot, load
from lakestack_jobs.identity import count_properties
from lakestack_jobs.job_error import JobError
from lakestack_jobs.key_columns import read_present
from lakestack_jobs.key_ranges import within_ranges
from lakestack_jobs.sources import Column, PartitionField

# Rows of a table from which on looking where the keys are costs less than reading them all: decision 0022.
_LARGE = 1_000_000
# And from which on Arrow reads them sooner than Spark: to start it takes a second of a core.
_VERY_LARGE = 5_000_000

_Done = TypeVar("_Done")
NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})

# Other runs that append to the same table at the same time make a run look again. Each round one of them gets
# through, so this many may go on at once.
_ATTEMPTS = 12
_CONFLICTS = (
    "org.apache.iceberg.exceptions.ValidationException",
    "org.apache.iceberg.exceptions.CommitFailedException",
)


def ensure_table(
    spark: SparkSession,
    table: str,
    columns: Sequence[Column],
    *,
    partitioning: Sequence[PartitionField] = (),
    properties: Mapping[str, str] = NO_PROPERTIES,
    evolve: bool = False,
) -> str:
    """
    Creates a table with exactly these columns, and its namespace, unless it is there.

    Args:
        spark: The session.
        table: "<namespace>.<table>".
        columns: In the table's order.
        partitioning: How it is partitioned.
        properties: Which it must have; a table that is there gets those that differ.
        evolve: Leaves the columns of a table that is there to `reconcile`.

    Returns:
        The table's name with its catalog.

    Raises:
        JobError: it is there with other columns or partitions.
    """
    name = f"{CATALOG}.{table}"
    if not spark.catalog.tableExists(name):
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {CATALOG}.{table.rsplit('.', 1)[0]}")
        definitions = ", ".join(f"`{column.name}` {column.spark_type}" for column in columns)
        partitions = f"PARTITIONED BY ({', '.join(part.spark_field for part in partitioning)})" if partitioning else ""
        # Format version 2: Trino 476 reads no later one.
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS {name} ({definitions}) USING iceberg {partitions} "
            f"TBLPROPERTIES ({_property_list({'format-version': '2', **properties})})"
        )
    if not evolve:
        _check_columns(name, found=dict(spark.table(name).dtypes), declared=columns)
    loaded = load(spark, name)
    _check_partitioning(name, found=_partition_fields(loaded), declared=[part.field for part in partitioning])
    missing = {key: value for key, value in properties.items() if loaded.properties().get(key) != value}
    if missing:
        retry_conflicts(name, lambda: spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ({_property_list(missing)})"))
    return name


def _property_list(properties: Mapping[str, str]) -> str:
    return ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())


def _partition_fields(loaded: Any) -> list[str]:  # noqa: ANN401
    """In Trino's words, as sources are declared: day(placed), bucket(id, 16)."""
    fields = []
    for field in loaded.spec().fields():
        column = loaded.schema().findColumnName(field.sourceId())
        transform, _, number = field.transform().toString().rstrip("]").partition("[")
        fields.append(f"{transform}({column}{f', {number}' if number else ''})" if transform != "identity" else column)
    return fields


def _check_partitioning(table: str, *, found: list[str], declared: list[str]) -> None:
    if found != declared:
        raise JobError(
            f"The table {table} is partitioned by {', '.join(found) or 'nothing'}, its source declares "
            f"{', '.join(declared) or 'nothing'}. Change partitioning in sources.yaml, or the table with ALTER TABLE."
        )


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
    """How many of the rows were in the table already, how many were added, and how many replaced an older one."""

    already_present: int
    inserted: int
    updated: int = 0


def merge(
    spark: SparkSession,
    table: str,
    rows: DataFrame,
    *,
    count: int,
    key: Sequence[str],
    summary: Mapping[str, str],
    unique: bool = True,
    keys: DataFrame | None = None,
    always_commit: bool = False,
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
    there is no commit, unless it is asked for.

    Args:
        spark: The session.
        table: Name with its catalog.
        rows: The table's columns; no key null. Computed several times: cache what it is made from.
        count: How many rows these are.
        key: Names of the key columns.
        summary: Kept in the summary of the snapshot, beside `lakestack.rows-inserted` and `-already-present`.
        unique: Whether no key comes twice in the rows.
        keys: The keys of the rows, cached; else they are taken from the rows.
        always_commit: Makes a snapshot of nothing but the summary if there are no new rows.
        before_commit: Called when the table has been read and the rows are about to be written; for tests.

    Raises:
        Py4JJavaError, PySparkException: the write failed for another reason, or lost against others too often.
    """

    def attempt() -> Merged:
        snapshot = current_snapshot(spark, table)
        present = present_keys(spark, table, snapshot, rows if keys is None else keys, key).distinct().persist()
        try:
            known = present.count()
            already_present = known if unique or not known else rows.join(present, list(key), "left_semi").count()
            merged = Merged(already_present, inserted=count - already_present)
            if merged.inserted or always_commit:
                before_commit()
                counts = count_properties(rows_inserted=merged.inserted, rows_already_present=already_present)
                new = rows.join(present, list(key), "left_anti") if known else rows
                new = new if merged.inserted else new.limit(0)
                append(table, new, snapshot, {**summary, **counts})
            return merged
        finally:
            present.unpersist()

    return retry_conflicts(table, attempt)


def retry_conflicts(table: str, work: Callable[[], _Done]) -> _Done:
    """Does work that commits to a table; does it again when another commit came in between."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return work()
        except (Py4JJavaError, PySparkException) as error:
            if attempt == _ATTEMPTS or not any(name in str(error) for name in _CONFLICTS):
                raise
            print(f"{table} was changed meanwhile; looking at it again (attempt {attempt + 1})", flush=True)
            time.sleep(random.uniform(0, 2))
    raise AssertionError("the last attempt returns or raises")


def present_keys(
    spark: SparkSession, table: str, snapshot: Snapshot | None, rows: DataFrame, key: Sequence[str], *more: str
) -> DataFrame:
    """
    Those keys of the rows that the snapshot has, with more columns of the table.

    Of a large table only the files and row groups are read in whose bounds a key of the rows may lie, if these are half
    of it or less: every row that is read is compared with the ranges once more. Else, of a very large one, the key
    columns are read by Arrow.
    """
    if snapshot is None:
        return spark.table(table).select(*key, *more).limit(0)
    there = spark.read.option("versionAsOf", snapshot.id).table(table)
    ranges = within_ranges(rows, key) if snapshot.rows >= _LARGE else None
    if ranges is not None and 2 * _read_tasks(there.where(ranges)) <= _read_tasks(there):
        there = there.where(ranges)
    elif snapshot.rows >= _VERY_LARGE:
        present = read_present(spark, table, snapshot, rows, key, more)
        if present is not None:
            return present
    # A snapshot has the columns of its time: one that was added since is null in all its rows.
    kinds = dict(spark.table(table).dtypes)
    columns = [
        F.col(f"`{name}`") if name in there.columns else F.lit(None).cast(kinds[name]).alias(name)
        for name in (*key, *more)
    ]
    return there.select(*columns).join(rows.select(*key), list(key), "left_semi")


def _read_tasks(scan: DataFrame) -> int:
    """Into how many tasks the reading of a table is divided, once the files that a condition excludes are left out."""
    plan: Any = scan._jdf.queryExecution()
    return int(plan.toRdd().getNumPartitions())


def append(table: str, rows: DataFrame, snapshot: Snapshot | None, summary: Mapping[str, str]) -> None:
    """Adds rows in one commit, unless something was committed since the snapshot."""
    options: dict[str, Any] = {f"snapshot-property.{name}": value for name, value in summary.items()}
    options["isolation-level"] = "serializable"
    if snapshot is not None:
        options["validate-from-snapshot-id"] = str(snapshot.id)
    writer = reduce(lambda writer, option: writer.option(*option), options.items(), rows.writeTo(table))
    writer.overwrite(F.lit(False))
