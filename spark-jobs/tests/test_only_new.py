"""Runs that read only what is new: every object once, whatever dies, comes late, comes again or is replaced."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conftest import Bucket
from lakestack_jobs import ingest as job
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Interval
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import merge

MEDIA = "iceberg.newtral.media"
Run = Callable[..., Result]


def ids(spark: SparkSession) -> list[str]:
    return sorted(row.id for row in spark.table(MEDIA).select("id").collect())


def commits(spark: SparkSession) -> int:
    return spark.table(f"{MEDIA}.snapshots").count()


def counts(result: Result) -> tuple[int, int, int]:
    return result.files, result.files_before, result.inserted


def die(*_: object, **__: object) -> None:
    raise ConnectionError("killed")


def test_each_run_reads_what_has_come_since_the_one_before(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1", "2")
    bucket.put_ids("2/b", "3")
    assert counts(run_new()) == (2, 0, 3)
    bucket.put_ids("2/c", "3", "4")
    result = run_new()
    assert (counts(result), result.already_present) == ((1, 2, 1), 1)
    assert "2 rows read from 1 files (2 more were read before)" in str(result)
    assert ids(spark) == ["1", "2", "3", "4"]


def test_nothing_new_commits_nothing(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    assert counts(run_new()) == (0, 1, 0)
    assert commits(spark) == 1


def test_an_object_without_a_new_row_is_not_read_again(
    spark: SparkSession, bucket: Bucket, run_new: Run, media: Source
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    bucket.put_ids("2/b", "1")
    bucket.put("2/empty")
    assert counts(run_new()) == (2, 1, 0)
    assert counts(run_new()) == (0, 3, 0)
    assert (ids(spark), commits(spark)) == (["1"], 2)


def test_late_objects_are_read_and_the_result_tells_their_day(bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1")
    assert (run_new().start, run_new().end) == ("2018-04-02", "2018-04-03")
    bucket.put_ids("1/late", "2")
    result = run_new()
    assert (counts(result), result.start, result.end) == ((1, 1, 1), "2018-04-01", "2018-04-02")
    bucket.put_ids("3/next", "3")
    assert counts(run_new(number=3)) == (1, 1, 1), "the second is the day before, and the first is looked at no more"


def test_a_replaced_object_is_read_again(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1", "2")
    run_new()
    bucket.put_ids("2/a", "1", "3")
    result = run_new()
    assert (counts(result), result.read, result.not_appended) == ((1, 0, 1), 2, [])
    assert ids(spark) == ["1", "2", "3"]
    assert run_new().files == 0


def test_a_replaced_object_has_newer_versions(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    newest: dict[str, Any] = {"on_existing_key": "upsert", "version": "msgid"}
    bucket.put("2/a", '{"id":"1","msgid":"a","title":"old"}', '{"id":"2","msgid":"a","title":"old"}')
    run_new(**newest)
    bucket.put("2/a", '{"id":"1","msgid":"b","title":"new"}', '{"id":"2","msgid":"a","title":"new"}')
    result = run_new(**newest)
    assert (result.files, result.updated, result.inserted) == (1, 1, 0)
    assert [tuple(row) for row in spark.table(MEDIA).select("id", "title").orderBy("id").collect()] == [
        ("1", "new"),
        ("2", "old"),
    ]
    assert run_new(**newest).files == 0
    bucket.put("2/b", '{"id":"1","msgid":"b","title":"the same version"}')
    assert counts(run_new(**newest)) == (1, 1, 0)
    assert counts(run_new(**newest)) == (0, 2, 0), "a batch that changes nothing is recorded as well"


def test_appended_rows_of_a_replaced_object_are_told_once_and_not_appended_again(
    spark: SparkSession, bucket: Bucket, run_new: Run
) -> None:
    append: dict[str, Any] = {"on_existing_key": "append", "key": ()}
    bucket.put_ids("2/a", "1")
    run_new(**append)
    bucket.put_ids("2/a", "1", "2")
    bucket.put_ids("2/b", "1")
    result = run_new(**append)
    assert (result.inserted, result.already_present) == (1, 2)
    [name] = result.not_appended
    assert name.endswith("/2018/04/02/a.json")
    assert f"with other content than before, and not appended again: {name}" in str(result)
    assert ids(spark) == ["1", "1"]
    assert run_new(**append).not_appended == []


@pytest.mark.parametrize("step", ["counted_keys", "write_record", "merge"])
def test_a_run_that_died_before_its_commit_leaves_nothing(
    spark: SparkSession, bucket: Bucket, run_new: Run, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    bucket.put_ids("2/b", "2")
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(job, step, die)
        run_new(run_id="killed")
    assert ids(spark) == ["1"]
    result = run_new(run_id="killed")
    assert (counts(result), result.committed_before) == ((1, 1, 1), False)


def test_a_run_that_died_after_its_commit_adds_nothing_and_says_what_it_did(
    spark: SparkSession, bucket: Bucket, run_new: Run
) -> None:
    bucket.put_ids("2/a", "1", "1", "2")
    run_new(run_id="tried again")
    again = run_new(run_id="tried again")
    assert (again.committed_before, again.read, again.duplicates, again.inserted) == (True, 3, 1, 2)
    bucket.put_ids("2/b", "3")
    more = run_new(run_id="tried again")
    assert (more.committed_before, counts(more)) == (False, (1, 1, 1)), "what has come since is read"
    assert (ids(spark), commits(spark)) == (["1", "2", "3"], 2)


def test_too_many_faulty_lines_are_not_recorded(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    bucket.put("2/b", "oops")
    for _ in range(2):
        with pytest.raises(JobError, match=r"1 of 1 lines \(100\.0 %\) are no rows"):
            run_new()
    bucket.put_ids("2/b", "2")
    assert counts(run_new()) == (1, 1, 1)
    assert ids(spark) == ["1", "2"]


def test_runs_at_the_same_time_end_with_each_row_once(
    spark: SparkSession, bucket: Bucket, run_new: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_ids("2/first", "0")
    run_new()
    bucket.put_ids("2/a", "1", "2")

    def overtaken(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        monkeypatch.setattr(job, "merge", merge)
        bucket.put_ids("2/b", "2", "3")
        assert counts(run_new()) == (2, 1, 3)
        return merge(*given, **named)

    monkeypatch.setattr(job, "merge", overtaken)
    assert counts(run_new()) == (1, 1, 0), "the slower one finds its rows in the table"
    assert counts(run_new()) == (1, 2, 0), "and did not know of the other's second object"
    assert counts(run_new()) == (0, 3, 0)
    assert ids(spark) == ["0", "1", "2", "3"]


def test_full_runs_read_everything_and_leave_the_record_alone(
    spark: SparkSession, media: Source, bucket: Bucket, run_new: Run
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    spark.sql(f"DELETE FROM {MEDIA}")
    assert counts(run_new()) == (0, 1, 0), "what somebody has deleted does not come back by itself"
    day = Interval(date(2018, 4, 2), date(2018, 4, 3))
    assert counts(ingest(spark, media, day, "full", location=bucket.location)) == (1, 0, 1)
    assert counts(run_new()) == (0, 1, 0)
