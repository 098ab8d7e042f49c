"""Good data: counts, keys, lineage, and runs that meet."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from conftest import april_1, day, location_of
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Interval
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import ensure_table, merge

MEDIA = "iceberg.newtral.media"


def counts(result: Result) -> tuple[int, int, int, int, int]:
    return result.read, result.duplicates, result.already_present, result.inserted, result.rejected


def article(key: str, **fields: object) -> bytes:
    return json.dumps({"id": key, **fields}).encode() + b"\n"


def rows_with_ids(spark: SparkSession, table: str, *ids: str) -> DataFrame:
    """Rows of the table that have nothing but an id."""
    columns = (f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in spark.table(table).dtypes if name != "id")
    values = ", ".join(f"('{key}')" for key in ids)
    return spark.sql(f"VALUES {values}").selectExpr("col1 AS id", *columns)


def test_a_month_gives_the_manifest_s_rows(spark: SparkSession, media: Source, manifest: dict[str, Any]) -> None:
    expected = manifest["sources"]["Media"]["months"]["2018-03"]
    result = ingest(spark, media, Interval(date(2018, 3, 1), date(2018, 4, 1)), "r", location=location_of("Media"))
    rows, ids = expected["rows"], expected["distinct_ids"]
    assert counts(result) == (rows, rows - ids, 0, ids, 0)
    assert result.files == expected["files"]
    assert spark.table(MEDIA).select("id").distinct().count() == spark.table(MEDIA).count() == ids


def test_three_months_one_after_another_give_the_manifest_s_result(
    spark: SparkSession, media: Source, manifest: dict[str, Any]
) -> None:
    for month in (3, 4, 5):
        ingest(
            spark, media, Interval(date(2018, month, 1), date(2018, month + 1, 1)), "r", location=location_of("Media")
        )
    expected = manifest["expected_after_loading_everything"]["Media"]
    by_month = spark.sql(f"SELECT substr(date, 1, 7), count(*) FROM {MEDIA} GROUP BY 1").collect()
    assert {row[0]: row[1] for row in by_month} == expected["distinct_ids_by_month_of_date"]


def test_two_sources_have_tables_of_their_own(
    spark: SparkSession, comments: Source, media: Source, manifest: dict[str, Any]
) -> None:
    expected = manifest["sources"]["TiktokComment"]["months"]["2014-11"]
    interval = Interval(date(2014, 11, 1), date(2014, 12, 1))
    result = ingest(spark, comments, interval, "r", location=location_of("TiktokComment"))
    ingest(spark, media, day(2018, 4, 16), "r", location=location_of("Media"))
    assert result.inserted == spark.table("iceberg.newtral.tiktokcomment").count() == expected["distinct_ids"]
    assert spark.table(MEDIA).count() == 56


def test_a_gzipped_day_is_read(spark: SparkSession, media: Source) -> None:
    assert counts(ingest(spark, media, day(2018, 4, 16), "r", location=location_of("Media"))) == (56, 0, 0, 56, 0)


def test_a_rerun_adds_nothing_and_commits_nothing(spark: SparkSession, media: Source) -> None:
    ingest(spark, media, day(2018, 4, 17), "first", location=location_of("Media"))
    before = spark.table(MEDIA).count()
    rerun = ingest(spark, media, day(2018, 4, 17), "second", location=location_of("Media"))
    assert (rerun.already_present, rerun.inserted) == (before, 0)
    assert spark.table(MEDIA).count() == before
    assert spark.table(f"{MEDIA}.snapshots").count() == 1


def test_a_row_that_was_there_the_day_before_is_not_inserted_again(
    spark: SparkSession, media: Source, manifest: dict[str, Any]
) -> None:
    days = manifest["sources"]["Media"]["months"]["2018-03"]["days"]
    redelivering = next(name for name in sorted(days) if days[name]["rows"] > days[name]["distinct_ids"])
    last = date.fromisoformat(redelivering)
    results = [
        ingest(spark, media, Interval(start, start + timedelta(days=1)), "r", location=location_of("Media"))
        for start in (last - timedelta(days=1), last)
    ]
    assert sum(result.duplicates + result.already_present for result in results) > 0
    assert spark.table(MEDIA).count() == sum(result.inserted for result in results)
    assert spark.table(MEDIA).where("msgid LIKE '%-r'").count() == 0, "the first delivery stays"


def test_the_earliest_object_wins_and_then_the_first_line_in_order(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(
        content={
            "part-02.json": article("a", title="late") + article("b", title="z") + article("b", title="y"),
            "part-01.json": article("a", title="early"),
        }
    )
    assert counts(ingest(spark, media, april_1, "r", location=location)) == (4, 2, 0, 2, 0)
    rows = spark.table(MEDIA).select("id", "title", "source_file_name").orderBy("id").collect()
    assert [(row.id, row.title) for row in rows] == [("a", "early"), ("b", "y")]
    assert [row.source_file_name.rsplit("/bucket/", 1)[1] for row in rows] == [
        "Media/2018/04/01/part-01.json",
        "Media/2018/04/01/part-02.json",
    ]


def test_the_table_has_exactly_the_declared_columns_and_the_lineage(spark: SparkSession, media: Source) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    ingest(spark, media, day(2018, 4, 16), "r", location=location_of("Media"))
    person = "struct<id:string,name:string>"
    assert spark.table(MEDIA).dtypes == [
        ("categories", f"array<{person}>"),
        ("date", "string"),
        ("feed", person),
        *((name, "string") for name in ("id", "link", "msgid", "sentiment")),
        ("source", "struct<title:string>"),
        *((name, "string") for name in ("summary", "text", "title", "type")),
        ("created_at_etl", "timestamp"),
        ("source_file_name", "string"),
    ]
    times = spark.table(MEDIA).selectExpr("CAST(created_at_etl AS timestamp_ntz) AS at").distinct().collect()
    assert len(times) == 1, "one time for the whole batch"
    assert before <= times[0]["at"] <= datetime.now(UTC).replace(tzinfo=None)
    properties = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {MEDIA}").collect()}
    assert properties["format-version"] == "2"


def test_nested_values_arrive(spark: SparkSession, media: Source) -> None:
    ingest(spark, media, day(2018, 3, 23), "r", location=location_of("Media"))
    row = spark.table(MEDIA).where("id = 'd3e3e5ba6cbc943e9de9ed31'").first()
    assert row is not None
    assert row.categories[0].asDict() == {"id": "queer-voices", "name": "QUEER VOICES"}
    assert (row.feed.id, row.source.title, row.sentiment) == ("huffpost", "Alanna Vagianos", None)


def test_the_snapshot_names_its_batch(spark: SparkSession, media: Source) -> None:
    ingest(spark, media, day(2018, 4, 16), "scheduled-1", location=location_of("Media"))
    snapshots = spark.table(f"{MEDIA}.snapshots").collect()
    assert len(snapshots) == 1
    summary = snapshots[0].summary
    assert summary["lakestack.source"] == "media"
    assert summary["lakestack.interval"] == "2018-04-16..2018-04-17"
    assert summary["lakestack.run-id"] == "scheduled-1"
    assert summary["added-records"] == "56"
    assert summary["added-data-files"] == "1", "a small day is one file"


def test_a_key_that_another_run_commits_meanwhile_is_not_inserted_twice(spark: SparkSession, media: Source) -> None:
    table = ensure_table(spark, media.table, media.table_columns)
    ingest(spark, media, day(2018, 4, 16), "before", location=location_of("Media"))
    rows = rows_with_ids(spark, table, "new-1", "new-2")
    others = [rows.where("id = 'new-1'")]

    def meanwhile() -> None:
        if others:
            others.pop().writeTo(table).append()

    merged = merge(spark, table, rows, count=2, key=["id"], summary={}, before_commit=meanwhile)
    assert (merged.already_present, merged.inserted) == (1, 1)
    assert spark.table(table).where("id LIKE 'new-%'").count() == 2


def test_the_first_two_runs_on_an_empty_table_do_not_both_insert(spark: SparkSession, media: Source) -> None:
    table = ensure_table(spark, media.table, media.table_columns)
    rows = rows_with_ids(spark, table, "a")
    others = [rows]
    merged = merge(
        spark,
        table,
        rows,
        count=1,
        key=["id"],
        summary={},
        before_commit=lambda: others.pop().writeTo(table).append() if others else None,
    )
    assert (merged.already_present, merged.inserted) == (1, 0)
    assert spark.table(table).count() == 1


def test_runs_at_the_same_time_give_each_key_once(spark: SparkSession, media: Source, manifest: dict[str, Any]) -> None:
    ensure_table(spark, media.table, media.table_columns)
    results: list[Result] = []

    def run(interval: Interval) -> None:
        results.append(ingest(spark.newSession(), media, interval, "r", location=location_of("Media")))

    halves = [Interval(date(2018, 5, 1), date(2018, 5, 20)), Interval(date(2018, 5, 10), date(2018, 6, 1))]
    threads = [threading.Thread(target=run, args=(interval,)) for interval in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = manifest["sources"]["Media"]["months"]["2018-05"]["distinct_ids"]
    spark.catalog.refreshTable(MEDIA)
    assert len(results) == 2
    assert sum(result.inserted for result in results) == expected
    assert spark.table(MEDIA).select("id").distinct().count() == spark.table(MEDIA).count() == expected


def test_a_table_with_other_columns_is_refused_by_name(spark: SparkSession, media: Source) -> None:
    spark.sql(f"CREATE TABLE {MEDIA} (id bigint, colour string) USING iceberg")
    with pytest.raises(JobError) as refused:
        ingest(spark, media, day(2018, 4, 16), "r", location=location_of("Media"))
    message = str(refused.value)
    assert "id is bigint, declared as string" in message
    assert "colour is string, declared as nothing" in message
    assert "title is not there, declared as string" in message
