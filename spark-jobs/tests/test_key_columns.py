"""The keys of a very large table, which Arrow reads: the same as Spark's join gives, or none of Arrow's business."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from lakestack_jobs import key_columns, tables
from lakestack_jobs.catalog import current_snapshot
from lakestack_jobs.key_columns import read_present
from lakestack_jobs.tables import merge, present_keys

names = count()


@pytest.fixture
def table(spark: SparkSession) -> Iterator[str]:
    name = f"iceberg.keys.t{next(names)}"
    spark.sql("CREATE NAMESPACE IF NOT EXISTS iceberg.keys")
    yield name
    spark.sql(f"DROP TABLE IF EXISTS {name} PURGE")


def write(rows: DataFrame, table: str, **properties: str) -> None:
    """Makes a table of the rows, or adds them to it."""
    if rows.sparkSession.catalog.tableExists(table):
        rows.writeTo(table).append()
        return
    writer = rows.writeTo(table).tableProperty("format-version", "2")
    for name, value in properties.items():
        writer = writer.tableProperty(name, value)
    writer.create()


def read(spark: SparkSession, table: str, rows: DataFrame, *columns: str) -> list[Any] | None:
    """What Arrow finds of rows whose columns are the key's."""
    snapshot = current_snapshot(spark, table)
    assert snapshot is not None
    found = read_present(spark, table, snapshot, rows, rows.columns, columns)
    return None if found is None else sorted(tuple(row) for row in found.collect())


def joined(spark: SparkSession, table: str, rows: DataFrame) -> list[Any]:
    """The same by Spark."""
    found = spark.table(table).join(rows, rows.columns, "left_semi").select(*rows.columns).distinct()
    return sorted(tuple(row) for row in found.collect())


KINDS: list[tuple[str, list[Any]]] = [
    ("string", ["", "a", "ñandú", "\U0001f600", "a "]),
    ("int", [-(2**31), 0, 7]),
    ("bigint", [-(2**63), -1, 2**53 + 1, 2**63 - 1]),
    ("decimal(7,2)", [Decimal("-1.50"), Decimal("12345.67")]),
    ("decimal(30,10)", [Decimal("-1.5"), Decimal("12345678901234567890.0000000001")]),
    ("date", [date(1969, 12, 31), date(2018, 4, 1)]),
    ("timestamp", [datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime(2018, 4, 1, 2, 30, tzinfo=UTC)]),
    ("timestamp_ntz", [datetime(1800, 1, 1), datetime(2018, 3, 25, 2, 30, 0, 1)]),
]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[kind for kind, _ in KINDS])
def test_keys_of_each_type_are_found_as_spark_finds_them(
    spark: SparkSession, table: str, kind: str, values: list[Any]
) -> None:
    schema = f"k {kind}, n int"
    write(spark.createDataFrame([(value, None) for value in [*values[1:], values[1], None]], schema), table)
    rows = spark.createDataFrame([(value,) for value in values], f"k {kind}")
    found = read(spark, table, rows)
    assert found == joined(spark, table, rows)
    assert found is not None
    assert len(found) == len(values) - 1


def test_of_a_composite_key_all_columns_are_of_one_row(spark: SparkSession, table: str) -> None:
    write(spark.createDataFrame([("a", 1, 10), ("b", 2, 20), ("a", 3, 30)], "k string, n int, version bigint"), table)
    rows = spark.createDataFrame([("a", 1), ("a", 2), ("b", 1), ("b", 2)], "k string, n int")
    assert read(spark, table, rows, "version") == [("a", 1, 10), ("b", 2, 20)]


def test_a_renamed_a_wider_and_a_younger_column_are_read_in_old_files(spark: SparkSession, table: str) -> None:
    write(spark.createDataFrame([(1, "x"), (2, "y")], "was int, k string"), table)
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN k TO other")
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN was TO k")
    spark.sql(f"ALTER TABLE {table} ALTER COLUMN k TYPE bigint")
    spark.sql(f"ALTER TABLE {table} ADD COLUMN version int")
    write(spark.createDataFrame([(2**40, "z", 5)], "k bigint, other string, version int"), table)
    rows = spark.createDataFrame([(1,), (3,), (2**40,)], "k bigint")
    assert sorted(read(spark, table, rows, "version") or [], key=str) == [(1, None), (2**40, 5)]


def test_files_older_than_the_key_have_none_of_it(spark: SparkSession, table: str) -> None:
    write(spark.createDataFrame([("x",)], "other string"), table)
    spark.sql(f"ALTER TABLE {table} ADD COLUMN k string")
    write(spark.createDataFrame([("y", "a")], "other string, k string"), table)
    rows = spark.createDataFrame([("a",), ("x",)], "k string")
    assert read(spark, table, rows) == [("a",)]


def test_a_file_of_several_parts_is_read_once_and_whole(
    spark: SparkSession, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"write.parquet.row-group-size-bytes": "2048", "write.parquet.row-group-check-min-record-count": "100"}
    numbers = spark.range(20_000, numPartitions=1).selectExpr("sha1(string(id)) k")
    write(numbers, table, **small)
    [file] = spark.table(f"{table}.data_files").collect()
    assert len(file.split_offsets) > 3
    monkeypatch.setattr(key_columns, "_PART_BYTES", file.file_size_in_bytes // 3)
    monkeypatch.setattr(key_columns, "_ROWS", 700)
    rows = numbers.union(spark.createDataFrame([("nothing",)], "k string")).persist()
    found = read(spark, table, rows)
    assert found is not None
    assert len(found) == len(set(found)) == 20_000


def test_an_older_snapshot_has_its_own_keys(spark: SparkSession, table: str) -> None:
    write(spark.createDataFrame([("a",)], "k string"), table)
    before = current_snapshot(spark, table)
    write(spark.createDataFrame([("b",)], "k string"), table)
    assert before is not None
    rows = spark.createDataFrame([("a",), ("b",)], "k string")
    found = read_present(spark, table, before, rows, ["k"])
    assert found is not None
    assert [row.k for row in found.collect()] == ["a"]


def test_what_arrow_does_not_read_alike_is_left_to_spark(
    spark: SparkSession, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = spark.createDataFrame([("a",), ("b",)], "k string")
    write(keys, table, **{"write.delete.mode": "merge-on-read"})
    assert read(spark, table, keys) == [("a",), ("b",)]
    monkeypatch.setattr(key_columns, "_MOST_KEYS", 1)
    assert read(spark, table, keys) is None
    monkeypatch.undo()
    spark.sql(f"DELETE FROM {table} WHERE k = 'a'")
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('write.format.default' = 'avro')")
    write(spark.createDataFrame([("c",)], "k string"), table)
    assert read(spark, table, keys) is None
    spark.sql(f"CALL iceberg.system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))")
    assert current_snapshot(spark, table).delete_files == 0  # type: ignore[union-attr]
    assert read(spark, table, keys) is None, "its file is Avro's"


def test_fractions_are_left_to_spark(spark: SparkSession, table: str) -> None:
    write(spark.createDataFrame([(0.0,)], "k double"), table)
    assert read(spark, table, spark.createDataFrame([(-0.0,)], "k double")) is None


def test_a_file_of_another_writer_is_left_to_spark(
    spark: SparkSession, table: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"k": ["a"]}), tmp_path / "foreign.parquet")
    spark.sql(f"CREATE TABLE {table} (k string) USING iceberg TBLPROPERTIES ('format-version' = '2')")
    spark.sql(f"CALL iceberg.system.add_files(table => '{table}', source_table => '`parquet`.`file://{tmp_path}`')")
    keys = spark.createDataFrame([("a",), ("b",)], "k string")
    assert read(spark, table, keys) is None
    assert f"Spark reads the keys of {table}, as Arrow could not: " in capfd.readouterr().out
    snapshot = current_snapshot(spark, table)
    assert [row.k for row in present_keys(spark, table, snapshot, keys, ["k"]).collect()] == ["a"]


def test_rows_are_merged_once_however_large_the_table(
    spark: SparkSession, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_VERY_LARGE", 1)
    read_by_arrow = []

    def watched(*given: Any) -> DataFrame | None:  # noqa: ANN401
        found = read_present(*given)
        read_by_arrow.append(found is not None)
        return found

    monkeypatch.setattr(tables, "read_present", watched)
    write(spark.createDataFrame([], "k string, n int"), table)
    first = spark.createDataFrame([("a", 1), ("b", 1)], "k string, n int").persist()
    merged = merge(spark, table, first, count=2, key=["k"], summary={})
    assert (merged.already_present, merged.inserted) == (0, 2)
    second = spark.createDataFrame([("b", 2), ("c", 2)], "k string, n int").persist()
    merged = merge(spark, table, second, count=2, key=["k"], summary={})
    assert (merged.already_present, merged.inserted) == (1, 1)
    assert read_by_arrow == [True]
    assert sorted(map(tuple, spark.table(table).collect())) == [("a", 1), ("b", 1), ("c", 2)]
