"""Which part of a table is read to find the keys of a batch."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakestack_jobs import key_ranges, tables
from lakestack_jobs.catalog import current_snapshot
from lakestack_jobs.key_ranges import ranges_of, within_ranges
from lakestack_jobs.sources import Column, Source
from lakestack_jobs.tables import ensure_table, merge, present_keys

SITE = "https://example.com/"


def frame(spark: SparkSession, kind: str, values: list[Any]) -> DataFrame:
    return spark.createDataFrame([(value,) for value in values], f"k {kind}")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", ["", "a", "ab", "ñandú", "zz", "\U0001f600"]),
        ("string", ["https://example.com/a/1", "https://example.com/a/10", "https://example.com/b"]),
        ("string", ["only"]),
        ("bigint", [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]),
        ("int", [7, 7, 7]),
        ("date", [date(1969, 12, 31), date(2018, 4, 1)]),
        ("decimal(30,10)", [Decimal("-1.5"), Decimal("12345678901234567890.0000000001")]),
    ],
)
def test_every_key_is_within_its_own_ranges(spark: SparkSession, kind: str, values: list[Any]) -> None:
    rows = frame(spark, kind, values)
    condition = within_ranges(rows, ["k"])
    assert condition is not None
    assert rows.where(condition).count() == len(values)


def test_a_gap_between_keys_is_left_out(spark: SparkSession) -> None:
    rows = frame(spark, "string", ["2012-01-01/7", *(f"2018-04-01/{number:05}" for number in range(100))])
    condition = within_ranges(rows, ["k"])
    assert condition is not None
    others = frame(spark, "string", ["2012-01-01/6", "2013-05-05/1", "2018-03-31/9", "2018-04-01/99999"])
    assert others.where(condition).count() == 0


def test_no_rows_and_types_without_order_have_no_ranges(spark: SparkSession) -> None:
    assert within_ranges(frame(spark, "string", []), ["k"]) is None
    assert within_ranges(frame(spark, "boolean", [True]), ["k"]) is None


def test_of_a_composite_key_each_column_has_its_ranges(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("a", 1, True), ("b", 900, False)], "k string, n int, flag boolean")
    condition = within_ranges(rows, ["k", "n", "flag"])
    assert condition is not None
    assert rows.where(condition).count() == 2
    others = spark.createDataFrame([("a", 500), ("c", 1), ("b", 1)], "k string, n int")
    assert [tuple(row) for row in others.where(condition).collect()] == [("b", 1)]


def test_the_widest_gaps_are_left_out() -> None:
    values = [0, 1, 2, 10, 12, 30, 31, 100]
    assert ranges_of(values, most=3) == [(0, 12), (30, 31), (100, 100)]
    assert ranges_of(values, most=1) == [(0, 100)]
    assert ranges_of([0, 1, 5000, 5001, 10_000]) == [(0, 1), (5000, 5001), (10_000, 10_000)]
    assert len(ranges_of(range(0, 300_000, 1000))) == 32
    assert ranges_of([7, 7, 7]) == [(7, 7)]
    assert ranges_of([]) == []


def test_of_very_many_keys_the_bounds_are_looked_at(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ranges, "_FEW", 2)
    rows = frame(spark, "bigint", [1, 2, 900])
    condition = within_ranges(rows, ["k"])
    assert condition is not None
    assert rows.where(condition).count() == 3
    others = frame(spark, "bigint", [0, 500, 901]).where(condition)
    assert [row.k for row in others.collect()] == [500]


@pytest.fixture
def keyed(spark: SparkSession, media: Source, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of ten files of ordered keys, large enough to look for ranges in."""
    monkeypatch.setattr(tables, "_LARGE", 1)
    # With files as dear to open as a whole split, each is read by a task of its own, as large ones are.
    properties = {"write.metadata.metrics.column.k": "full", "read.split.open-file-cost": str(1 << 30)}
    name = ensure_table(spark, "newtral.keyed", [Column("k", "string"), Column("v", "string")], properties=properties)
    for number in range(10):
        spark.range(1000).selectExpr(
            f"format_string('https://example.com/%d-%05d', {number}, id) AS k", "'v' AS v"
        ).coalesce(1).writeTo(name).append()
    return name


def test_only_the_files_are_read_in_which_the_keys_can_be(spark: SparkSession, keyed: str) -> None:
    batch = spark.createDataFrame(
        [(f"{SITE}8-00999", "w"), (f"{SITE}9-00001", "w"), (f"{SITE}9-01000", "w"), (f"{SITE}0-00003", "w")],
        "k string, v string",
    )
    snapshot = current_snapshot(spark, keyed)
    found = present_keys(spark, keyed, snapshot, batch, ["k"])
    assert sorted(row.k for row in found.collect()) == [f"{SITE}0-00003", f"{SITE}8-00999", f"{SITE}9-00001"]
    condition = within_ranges(batch, ["k"])
    assert condition is not None
    scan = spark.table(keyed)
    assert (scan.rdd.getNumPartitions(), scan.where(condition).rdd.getNumPartitions()) == (10, 3)


@pytest.mark.parametrize(("files", "compared"), [([0, 9], True), ([0, 1, 4, 6, 9], True), (range(6), False)])
def test_rows_are_compared_with_ranges_if_these_leave_out_half_of_the_table(
    spark: SparkSession, keyed: str, files: list[int], compared: bool
) -> None:
    batch = spark.createDataFrame([(f"{SITE}{number}-00500",) for number in files], "k string")
    found = present_keys(spark, keyed, current_snapshot(spark, keyed), batch, ["k"])
    plan = found._jdf.queryExecution().optimizedPlan().toString()
    assert (">=" in plan) == compared
    assert found.count() == len(files)


@pytest.mark.parametrize("files", [(2, 3, 12), tuple(range(12))])
def test_a_merge_gives_each_key_once_with_ranges_and_without(
    spark: SparkSession, keyed: str, files: tuple[int, ...]
) -> None:
    batch = spark.createDataFrame([(f"{SITE}{number}-00500", "w") for number in files], "k string, v string")
    merged = merge(spark, keyed, batch, count=len(files), key=["k"], summary={})
    new = sum(number >= 10 for number in files)
    assert (merged.already_present, merged.inserted) == (len(files) - new, new)
    assert spark.table(keyed).select("k").distinct().count() == spark.table(keyed).count() == 10_000 + new
