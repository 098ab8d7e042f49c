"""Columns that read fields of other names."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from conftest import april_1
from lakestack_jobs.ingest import ingest
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Column, Source

MEDIA = "iceberg.newtral.media"
QUARANTINE = "iceberg.newtral.media_quarantine"
UNDECLARED = "iceberg.newtral.media_undeclared"


@pytest.fixture
def events(media: Source) -> Source:
    """The table of media with other columns, two of which have fields of other names."""
    columns = (Column("id", "string", "eventId"), Column("event_time", "timestamp", "eventTime"), Column("n", "int"))
    return replace(media, columns=columns, max_rejected_percent=100)


def load(spark: SparkSession, source: Source, day_of: Callable[..., str], *rows: dict[str, object]) -> Result:
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    return ingest(spark, source, april_1, "r", location=day_of(content={"a.json": content}))


def test_are_read_and_compared_by_their_columns(
    spark: SparkSession, events: Source, day_of: Callable[..., str]
) -> None:
    time = "2018-04-01T12:00:00Z"
    rows = [{"eventId": "1", "eventTime": time, "n": 1}, {"eventId": "1", "n": 2}, {"eventId": "2", "n": 3}]
    result = load(spark, events, day_of, *rows)
    assert (result.inserted, result.rejected, result.undeclared) == (2, 0, {})
    found = spark.table(MEDIA).select("id", "event_time", "n").orderBy("id").collect()
    assert [row.n for row in found] == [1, 3]
    assert found[0].event_time.astimezone(UTC) == datetime(2018, 4, 1, 12, tzinfo=UTC)
    again = load(spark, events, day_of, *rows)
    assert again.inserted == 0


def test_are_told_by_their_columns_where_they_do_not_fit(
    spark: SparkSession, events: Source, day_of: Callable[..., str]
) -> None:
    result = load(spark, events, day_of, {"id": "1", "n": 1}, {"eventId": "2", "eventTime": "soon"}, {"eventId": "3"})
    assert (result.inserted, result.rejected) == (1, 2)
    reasons = [row.reason for row in spark.table(QUARANTINE).orderBy("position").collect()]
    assert reasons == ["key column id is missing, null or empty", "column event_time is not timestamp"]


@pytest.mark.parametrize("evolve", [False, True])
def test_a_field_that_only_a_column_is_called_like_is_undeclared(
    spark: SparkSession, events: Source, day_of: Callable[..., str], evolve: bool
) -> None:
    result = load(spark, replace(events, evolve=evolve), day_of, {"eventId": "1", "id": "x", "event_time": "y", "n": 4})
    assert (result.inserted, set(result.undeclared)) == (1, {"id", "event_time"})
    assert [(row.id, row.event_time, row.n) for row in spark.table(MEDIA).collect()] == [("1", None, 4)]
    [kept] = spark.table(UNDECLARED).collect()
    assert kept.fields == {"id": "x", "event_time": "y"}
