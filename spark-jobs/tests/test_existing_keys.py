"""What becomes of a row whose key is in the table: left out, or newer and put in its place, or added once more."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source, parse_source
from lakestack_jobs.tables import ensure_table
from lakestack_jobs.upserts import PROPERTIES, upsert

STOCK = "iceberg.newtral.stock"

Run = Callable[..., Result]


@pytest.fixture
def stock(declared: dict[str, dict[str, Any]], media: Source, tmp_path: Path) -> Callable[..., Source]:
    """A source of stock by shop and article, with a version."""
    columns = {"shop": "string", "article": "bigint", "pieces": "int", "changed": "bigint"}

    def declare(**settings: object) -> Source:
        source = parse_source(
            {
                **declared["media"],
                "name": "stock",
                "table": "newtral.stock",
                "key": ["shop", "article"],
                "onExistingKey": "upsert",
                "versionColumn": "changed",
                "columns": [{"name": name, "sparkType": kind} for name, kind in columns.items()],
                **settings,
            }
        )
        return replace(source, location=f"file://{tmp_path}/stock/")

    return declare


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Run:
    """Writes rows (shop, article, pieces, changed) into files of a day in April 2018 and ingests it."""

    def ingest_day(source: Source, number: int, run_id: str = "r", late_days: int = 0, **files: list[Any]) -> Result:
        folder = tmp_path / "stock" / "2018" / "04" / f"{number:02}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            names = ("shop", "article", "pieces", "changed")
            lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
            (folder / f"{name}.json").write_text("\n".join(lines))
        interval = Interval(date(2018, 4, number), date(2018, 4, number + 1))
        return ingest(spark, source, interval, run_id, late_days=late_days)

    return ingest_day


def counts(result: Result) -> tuple[int, int, int, int, int]:
    return result.read, result.duplicates, result.already_present, result.inserted, result.updated


def content(spark: SparkSession) -> list[tuple[Any, ...]]:
    query = f"SELECT shop, article, pieces, changed FROM {STOCK} ORDER BY 1, 2, 4"
    return [tuple(row) for row in spark.sql(query).collect()]


def test_a_key_of_two_columns_is_one_key(spark: SparkSession, stock: Callable[..., Source], run: Run) -> None:
    source = stock(onExistingKey="insert", versionColumn=None)
    assert counts(run(source, 1, a=[("x", 1, 5, 1), ("x", 2, 5, 1), ("y", 1, 5, 1), ("x", 1, 6, 2)])) == (4, 1, 0, 3, 0)
    assert counts(run(source, 2, a=[("y", 1, 7, 3), ("y", 2, 7, 3)])) == (2, 0, 1, 1, 0)
    assert content(spark) == [("x", 1, 5, 1), ("x", 2, 5, 1), ("y", 1, 5, 1), ("y", 2, 7, 3)]


def test_an_upsert_keeps_the_highest_version_of_the_batch_and_of_the_table(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    first = run(stock(), 1, a=[("x", 1, 10, 5), ("x", 1, 11, 7), ("x", 2, 20, 5)], b=[("x", 1, 12, 6)])
    assert counts(first) == (4, 2, 0, 2, 0)
    assert content(spark) == [("x", 1, 11, 7), ("x", 2, 20, 5)]
    second = run(stock(), 2, a=[("x", 1, 13, 6), ("x", 2, 21, 6), ("y", 1, 30, 1)])
    assert counts(second) == (3, 0, 1, 1, 1)
    assert content(spark) == [("x", 1, 11, 7), ("x", 2, 21, 6), ("y", 1, 30, 1)]
    assert "1 inserted, 1 updated, 0 rejected" in str(second)


def test_at_equal_versions_the_earliest_file_and_then_the_table_stays(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    run(stock(), 1, b=[("x", 1, 2, 5)], a=[("x", 1, 9, 5), ("x", 1, 8, 5)])
    assert content(spark) == [("x", 1, 8, 5)], "of file a the row that is first as JSON"
    assert counts(run(stock(), 2, a=[("x", 1, 7, 5)])) == (1, 0, 1, 0, 0)
    assert content(spark) == [("x", 1, 8, 5)]


def test_days_in_any_order_give_the_same_table(spark: SparkSession, stock: Callable[..., Source], run: Run) -> None:
    days = {1: [("x", 1, 1, 1), ("y", 1, 1, 4)], 2: [("x", 1, 2, 2), ("y", 1, 2, 2)], 3: [("x", 1, 3, 3)]}
    for number in (3, 1, 2, 1):
        run(stock(), number, run_id=f"r{number}", a=days[number])
    assert content(spark) == [("x", 1, 3, 3), ("y", 1, 1, 4)]


def test_an_upsert_again_changes_and_commits_nothing(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    run(stock(), 1, a=[("x", 1, 1, 1)])
    changed = run(stock(), 2, "second", a=[("x", 1, 2, 2), ("z", 1, 1, 1)])
    before = spark.table(f"{STOCK}.snapshots").count()
    assert counts(run(stock(), 2, "third")) == (2, 0, 2, 0, 0)
    assert spark.table(f"{STOCK}.snapshots").count() == before
    retried = run(stock(), 2, "second")
    assert retried.committed_before
    assert counts(retried)[3:] == counts(changed)[3:] == (1, 1)
    [summary] = spark.sql(f"SELECT summary FROM {STOCK}.snapshots ORDER BY committed_at DESC LIMIT 1").collect()
    assert summary[0]["lakestack.run-id"] == "second"
    assert summary[0]["lakestack.interval"] == "2018-04-02..2018-04-03"


def test_a_row_without_a_version_is_kept_aside(spark: SparkSession, stock: Callable[..., Source], run: Run) -> None:
    result = run(stock(maxRejectedPercent=50), 1, a=[("x", 1, 1, None), ("x", 1, 2, 1)])
    assert (result.inserted, result.rejected) == (1, 1)
    [row] = spark.table(f"{STOCK}_quarantine").collect()
    assert row.reason == "version column changed is missing or null"


def test_a_version_that_is_declared_later_makes_every_row_there_an_older_one(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    before = stock(onExistingKey="insert", versionColumn=None)
    run(replace(before, columns=before.columns[:3]), 1, a=[("x", 1, 1, 9)])
    assert counts(run(stock(evolve=True), 2, a=[("x", 1, 2, 1), ("y", 1, 2, 1)])) == (2, 0, 0, 1, 1)
    assert content(spark) == [("x", 1, 2, 1), ("y", 1, 2, 1)]


def test_two_upserts_of_one_key_at_the_same_time_end_with_the_newer(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    source = stock()
    run(source, 1, a=[("x", 1, 0, 0), ("z", 1, 0, 0)])
    table = ensure_table(spark, source.table, source.table_columns, properties=PROPERTIES)

    def rows(version: int) -> DataFrame:
        return spark.sql(
            f"SELECT shop, 1L AS article, {version} AS pieces, {version}L AS changed, "
            "CAST(NULL AS timestamp) AS created_at_etl, 'f' AS source_file_name FROM VALUES ('x'), ('new') AS t(shop)"
        )

    key, newer = ["shop", "article"], [rows(2)]

    def meanwhile() -> None:
        if newer:
            upsert(spark, table, newer.pop(), count=2, key=key, version="changed", summary={})

    merged = upsert(spark, table, rows(1), count=2, key=key, version="changed", summary={}, before_commit=meanwhile)
    spark.catalog.refreshTable(STOCK)
    assert content(spark) == [("new", 1, 2, 2), ("x", 1, 2, 2), ("z", 1, 0, 0)]
    assert merged.inserted + merged.updated <= 2


def test_upserts_in_threads_give_the_newest_of_each_key(
    spark: SparkSession, stock: Callable[..., Source], run: Run, tmp_path: Path
) -> None:
    source = stock()
    ensure_table(spark, source.table, source.table_columns, properties=PROPERTIES)
    run(source, 9, a=[("x", article, 0, 0) for article in range(20)])
    for number in (1, 2):
        folder = tmp_path / "stock" / "2018" / "04" / f"{number:02}"
        folder.mkdir(parents=True)
        rows = [{"shop": "x", "article": n, "pieces": number, "changed": number} for n in range(5 * number, 30)]
        (folder / "a.json").write_text("\n".join(map(json.dumps, rows)))
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            interval = Interval(date(2018, 4, number), date(2018, 4, number + 1))
            ingest(spark.newSession(), source, interval, f"r{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    spark.catalog.refreshTable(STOCK)
    expected = [("x", n, 2 if n >= 10 else int(n >= 5), 2 if n >= 10 else int(n >= 5)) for n in range(30)]
    assert content(spark) == expected


def test_appended_rows_come_once_an_object(spark: SparkSession, stock: Callable[..., Source], run: Run) -> None:
    source = stock(onExistingKey="append", versionColumn=None, key=[])
    assert counts(run(source, 1, a=[("x", 1, 1, 1), ("x", 1, 1, 1), (None, 1, 1, 1)])) == (3, 0, 0, 3, 0)
    assert counts(run(source, 1, "again")) == (3, 0, 3, 0, 0)
    late = run(source, 1, "late", b=[("x", 1, 1, 1)])
    assert counts(late) == (4, 0, 3, 1, 0)
    assert len(content(spark)) == 4


def test_objects_that_come_late_are_found_by_a_later_run(
    spark: SparkSession, stock: Callable[..., Source], run: Run
) -> None:
    source = stock()
    run(source, 1, a=[("x", 1, 1, 1)])
    run(source, 2, a=[("x", 2, 1, 1)])
    run(replace(source, table="newtral.elsewhere"), 1, b=[("x", 3, 1, 1)])
    assert counts(run(source, 3, a=[("x", 4, 1, 1)])) == (1, 0, 0, 1, 0)
    assert counts(run(source, 3, "late", late_days=2)) == (4, 0, 3, 1, 0)
    assert [row[1] for row in content(spark)] == [1, 2, 3, 4]


def test_late_objects_do_not_hide_an_empty_day(stock: Callable[..., Source], run: Run) -> None:
    source = stock()
    run(source, 1, a=[("x", 1, 1, 1)])
    with pytest.raises(Exception, match="2018/04/02/ is empty"):
        run(source, 2, late_days=1)
    assert run(replace(source, skips_empty=True), 2, "again", late_days=1).already_present == 1
