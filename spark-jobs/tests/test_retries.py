"""Runs that die and are tried again: before their commit, after it, and with other files."""

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conftest import april_1, day, location_of
from lakestack_jobs import ingest as job
from lakestack_jobs.ingest import ingest
from lakestack_jobs.sources import Source

MEDIA = "iceberg.newtral.media"
QUARANTINE = "iceberg.newtral.media_quarantine"


def lines(*ids: str) -> bytes:
    return b"".join(b'{"id":"%s"}\n' % key.encode() for key in ids)


def snapshots(spark: SparkSession, table: str = MEDIA) -> list[dict[str, str]]:
    return [row.summary for row in spark.table(f"{table}.snapshots").orderBy("committed_at").collect()]


def test_a_run_that_died_after_its_commit_adds_nothing_and_says_so(spark: SparkSession, media: Source) -> None:
    first = ingest(spark, media, day(2018, 4, 17), "scheduled-1", location=location_of("Media"))
    again = ingest(spark, media, day(2018, 4, 17), "scheduled-1", location=location_of("Media"))
    assert (first.committed_before, again.committed_before) == (False, True)
    assert (again.read, again.duplicates, again.inserted) == (first.read, first.duplicates, first.inserted)
    assert "this run has committed before, and adds nothing now; then " in str(again)
    assert len(snapshots(spark)) == 1
    assert spark.table(MEDIA).count() == first.inserted


def test_a_run_that_committed_is_not_read_again(
    spark: SparkSession, media: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(spark, media, day(2018, 4, 17), "scheduled-1", location=location_of("Media"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the rows were read a second time")

    monkeypatch.setattr(job, "open_batch", refuse)
    assert ingest(spark, media, day(2018, 4, 17), "scheduled-1", location=location_of("Media")).committed_before


@pytest.mark.parametrize("step", ["keep_aside", "merge"])
def test_a_run_that_died_before_its_commit_leaves_no_row_and_is_made_good(
    spark: SparkSession, media: Source, day_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    location = day_of(content={"a.json": lines(*map(str, range(40))) + b"oops\n"})

    def die(*_: object, **__: object) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(job, step, die)
        with pytest.raises(ConnectionError):
            ingest(spark, media, april_1, "r", location=location)
    assert spark.table(MEDIA).count() == 0
    result = ingest(spark, media, april_1, "r", location=location)
    assert (result.inserted, result.rejected, result.committed_before) == (40, 1, False)
    assert spark.table(QUARANTINE).count() == 1


def test_the_same_run_with_more_files_reads_them(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    ingest(spark, media, april_1, "r", location=day_of(content={"a.json": lines("1", "2")}))
    result = ingest(spark, media, april_1, "r", location=day_of(content={"b.json": lines("2", "3")}))
    assert (result.read, result.inserted, result.committed_before) == (4, 1, False)


def test_another_run_of_the_same_day_is_not_taken_for_it(spark: SparkSession, media: Source) -> None:
    ingest(spark, media, day(2018, 4, 17), "scheduled-1", location=location_of("Media"))
    other = ingest(spark, media, day(2018, 4, 17), "manual-1", location=location_of("Media"))
    assert (other.committed_before, other.inserted) == (False, 0)


def test_a_commit_that_was_rolled_back_does_not_count(spark: SparkSession, media: Source) -> None:
    ingest(spark, media, day(2018, 4, 16), "before", location=location_of("Media"))
    [row] = spark.table(f"{MEDIA}.snapshots").collect()
    first = ingest(spark, media, day(2018, 4, 17), "r", location=location_of("Media"))
    spark.sql(f"CALL iceberg.system.rollback_to_snapshot('newtral.media', {row.snapshot_id})")
    again = ingest(spark, media, day(2018, 4, 17), "r", location=location_of("Media"))
    assert (again.committed_before, again.inserted) == (False, first.inserted)


def test_the_summary_has_the_batch_and_its_counts(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    content = {"a.json": lines("1", "1", *map(str, range(2, 30))) + b"oops\n"}
    ingest(spark, media, april_1, "r", location=day_of(content=content))
    [summary] = snapshots(spark)
    ours: dict[str, Any] = {name: value for name, value in summary.items() if name.startswith("lakestack.")}
    assert len(ours.pop("lakestack.batch")) == 32
    assert ours == {
        "lakestack.source": "media",
        "lakestack.interval": "2018-04-01..2018-04-02",
        "lakestack.run-id": "r",
        "lakestack.rows-read": "31",
        "lakestack.rows-duplicates": "1",
        "lakestack.rows-rejected": "1",
        "lakestack.rows-already-present": "0",
        "lakestack.rows-inserted": "29",
        "lakestack.damaged-files": "0",
        "lakestack.quarantined": "1",
    }
