"""Intervals, prefixes and buckets without data."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conftest import april_1, location_of
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source


def refusal(spark: SparkSession, source: Source, interval: Interval, location: str) -> str:
    with pytest.raises(JobError) as refused:
        ingest(spark, source, interval, "r", location=location)
    return str(refused.value)


def test_a_day_without_objects_names_its_prefix(spark: SparkSession, media: Source) -> None:
    location = location_of("Media")
    assert refusal(spark, media, Interval(date(2012, 1, 5), date(2012, 1, 6)), location) == (
        f"The prefix {location}2012/01/05/ is empty: it has no object that ends in .json, .jsonl, .ndjson, "
        ".json.gz, .jsonl.gz or .ndjson.gz."
    )


def test_a_month_without_objects_names_its_first_and_last_prefix(spark: SparkSession, media: Source) -> None:
    message = refusal(spark, media, Interval(date(2012, 2, 1), date(2012, 3, 1)), location_of("Media"))
    assert "Media/2012/02/01/ to " in message
    assert "Media/2012/02/29/ (29 days) are all empty" in message


def test_only_other_files_are_no_data(spark: SparkSession, media: Source, day_of: Callable[..., str]) -> None:
    location = day_of(content={"_SUCCESS": b"", "notes.txt": b"x", ".part.json": b"{}"})
    assert "2018/04/01/ is empty" in refusal(spark, media, april_1, location)


def test_a_source_may_skip_an_empty_day(spark: SparkSession, media: Source) -> None:
    interval = Interval(date(2012, 1, 5), date(2012, 1, 6))
    result = ingest(spark, replace(media, skips_empty=True), interval, "r", location=location_of("Media"))
    assert (result.files, result.read, result.inserted) == (0, 0, 0)
    assert spark.table("iceberg.newtral.media").count() == 0


@pytest.mark.parametrize("skips_empty", [False, True])
def test_a_prefix_that_is_not_there_fails_in_any_case(
    spark: SparkSession, media: Source, tmp_path: Path, skips_empty: bool
) -> None:
    location = f"file://{tmp_path}/Medya/"
    message = refusal(spark, replace(media, skips_empty=skips_empty), april_1, location)
    assert message.startswith(f"The prefix {location} does not exist")


def test_an_interval_must_have_a_day() -> None:
    with pytest.raises(JobError, match="has no day"):
        Interval(date(2018, 4, 2), date(2018, 4, 2))
