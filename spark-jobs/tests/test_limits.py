"""How much of a batch may be faulty before nothing of it is committed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from conftest import april_1
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Source

MEDIA = "iceberg.newtral.media"
QUARANTINE = "iceberg.newtral.media_quarantine"


def lines(good: int, bad: int) -> bytes:
    return b"".join(b'{"id":"%d"}\n' % number for number in range(good)) + b"oops\n" * bad


@pytest.mark.parametrize(("good", "bad"), [(95, 5), (20, 0), (96, 4)])
def test_up_to_five_percent_are_kept_aside(
    spark: SparkSession, media: Source, day_of: Callable[..., str], good: int, bad: int
) -> None:
    result = ingest(spark, media, april_1, "r", location=day_of(content={"a.json": lines(good, bad)}))
    assert (result.inserted, result.rejected, result.quarantined) == (good, bad, bad)


def test_more_fails_before_anything_is_committed_with_counts_and_examples(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(content={"a.json": lines(94, 6)})
    with pytest.raises(JobError) as refused:
        ingest(spark, media, april_1, "r", location=location)
    place = f"{location}2018/04/01/a.json".replace("file://", "file:")
    assert str(refused.value) == (
        "media 2018-04-01..2018-04-02: 6 of 100 lines (6.0 %) are no rows; the source allows 5 %. Nothing was "
        f"committed. For example {place} line 95: not one complete JSON object: oops; {place} line 96: not one "
        f"complete JSON object: oops; {place} line 97: not one complete JSON object: oops. Correct the files and run "
        "again, or raise maxRejectedPercent in sources.yaml."
    )
    assert spark.table(MEDIA).count() == 0
    assert spark.table(f"{MEDIA}.snapshots").count() == 0
    assert not spark.catalog.tableExists(QUARANTINE)


def test_a_source_may_allow_more_or_none(spark: SparkSession, media: Source, day_of: Callable[..., str]) -> None:
    location = day_of(content={"a.json": lines(94, 6)})
    with pytest.raises(JobError, match=r"the source allows 0 %\."):
        ingest(spark, replace(media, max_rejected_percent=0), april_1, "r", location=location)
    assert ingest(spark, replace(media, max_rejected_percent=6), april_1, "r", location=location).inserted == 94


def test_a_batch_of_nothing_but_damage_is_refused(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(content={"plain.json.gz": b'{"id":"x"}\n'})
    with pytest.raises(JobError, match=r"0 of 0 lines are no rows, and 1 files are damaged; .*plain\.json\.gz line 1"):
        ingest(spark, media, april_1, "r", location=location)
