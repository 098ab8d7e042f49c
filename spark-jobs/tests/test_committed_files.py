"""The record of the objects whose rows are in a table: what becomes of it when others touch the table."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conftest import Bucket
from lakestack_jobs import committed_files
from lakestack_jobs.catalog import load
from lakestack_jobs.committed_files import ENDING, PROPERTY, Record
from lakestack_jobs.compaction import compact
from lakestack_jobs.nessie import State
from lakestack_jobs.objects import Batch, Layout, Object
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source
from lakestack_jobs.sweep import sweep

MEDIA = "iceberg.newtral.media"
later = datetime.now(UTC) + timedelta(days=1)

Run = Callable[..., Result]


def files(result: Result) -> tuple[int, int]:
    return result.files, result.files_before


def records(spark: SparkSession) -> list[Path]:
    metadata = Path(load(spark, MEDIA).location().removeprefix("file:")) / "metadata"
    return sorted(metadata.glob(f"*{ENDING}"), key=lambda path: path.stat().st_mtime_ns)


def named_record(spark: SparkSession) -> str:
    """Which record the newest snapshot that names one names."""
    rows = spark.table(f"{MEDIA}.snapshots").orderBy("committed_at").collect()
    return str(next(row.summary[PROPERTY] for row in reversed(rows) if PROPERTY in row.summary))


def entry(name: str, mark: int = 1, day: int = 1, etag: str | None = None) -> Object:
    return Object(f"s3a://source/2018/04/{day:02}/{name}", 10, mark, etag)


def add_a_row(spark: SparkSession) -> None:
    spark.sql(f"INSERT INTO {MEDIA} SELECT * FROM {MEDIA} LIMIT 1")


def show_only_the_current_snapshot(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, *, more: tuple[str, ...] = ()
) -> None:
    """As Nessie does, which has the states before in a history of its own."""
    folder = Path(load(spark, MEDIA).location().removeprefix("file:")) / "metadata"
    versions = sorted(folder.glob("v*.metadata.json"), key=lambda path: -int(path.name[1:].partition(".")[0]))
    states = [State("main", later, f"file:{path}") for path in versions]
    expire = load(spark, MEDIA).expireSnapshots().cleanExpiredFiles(False).retainLast(1)
    expire.expireOlderThan(int(later.timestamp() * 1000)).commit()
    assert spark.table(f"{MEDIA}.snapshots").count() == 1
    history = [*states, *(State("main", later, location) for location in more)]
    monkeypatch.setattr(committed_files, "recent_states", lambda *_: iter(history))


@pytest.mark.parametrize("nessie", [False, True])
@pytest.mark.parametrize("others", ["compaction", "a row of somebody else"])
def test_it_outlasts_commits_of_others(
    spark: SparkSession,
    media: Source,
    bucket: Bucket,
    run_new: Run,
    monkeypatch: pytest.MonkeyPatch,
    others: str,
    nessie: bool,
) -> None:
    for number in range(5):
        bucket.put_ids(f"2/{number}", str(number))
        run_new()
    if others == "compaction":
        assert compact(spark, media).after.files == 1
    else:
        add_a_row(spark)
    if nessie:
        show_only_the_current_snapshot(spark, monkeypatch)
    bucket.put_ids("2/new", "9")
    assert files(run_new()) == (1, 5)


def test_that_of_a_dropped_table_is_not_taken_for_that_of_a_new_one(
    spark: SparkSession, bucket: Bucket, run_new: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    metadata = Path(load(spark, MEDIA).operations().current().metadataFileLocation().removeprefix("file:"))
    old = tmp_path / metadata.name
    old.write_bytes(metadata.read_bytes())
    spark.sql(f"DROP TABLE {MEDIA} PURGE")
    bucket.put("2/b")
    assert files(run_new()) == (2, 0)
    spark.sql(f"DROP TABLE {MEDIA} PURGE")
    monkeypatch.setattr(committed_files, "recent_states", lambda *_: iter([State("main", later, f"file:{old}")]))
    assert files(run_new()) == (2, 0)
    assert spark.table(MEDIA).count() == 1


def test_a_table_that_was_replaced_by_an_empty_one_has_none(
    spark: SparkSession, bucket: Bucket, run_new: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    before = load(spark, MEDIA).operations().current().metadataFileLocation()
    columns = ", ".join(f"`{name}` {kind}" for name, kind in spark.table(MEDIA).dtypes)
    spark.sql(f"CREATE OR REPLACE TABLE {MEDIA} ({columns}) USING iceberg TBLPROPERTIES ('format-version' = '2')")
    monkeypatch.setattr(committed_files, "recent_states", lambda *_: iter([State("main", later, before)]))
    assert files(run_new()) == (1, 0)
    assert spark.table(MEDIA).count() == 1


def test_it_goes_back_with_the_table(spark: SparkSession, bucket: Bucket, run_new: Run) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    [row] = spark.table(f"{MEDIA}.snapshots").collect()
    bucket.put_ids("2/b", "2")
    run_new()
    spark.sql(f"CALL iceberg.system.rollback_to_snapshot('newtral.media', {row.snapshot_id})")
    assert files(run_new()) == (1, 1)
    assert spark.table(MEDIA).count() == 2


def test_without_it_everything_is_read_again_and_nothing_added(
    spark: SparkSession, bucket: Bucket, run_new: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    [record] = records(spark)
    record.unlink()
    result = run_new()
    assert (files(result), result.inserted) == ((1, 0), 0)
    assert "is gone; all are read again" in capfd.readouterr().out
    assert files(run_new()) == (0, 1)


def test_a_record_that_no_commit_names_means_nothing_and_is_swept(
    spark: SparkSession, bucket: Bucket, run_new: Run
) -> None:
    bucket.put_ids("2/a", "1")
    run_new()
    [kept] = records(spark)
    dead = committed_files.write_record(spark, MEDIA, Record(9).extended([entry("never-committed")]))
    assert [path.name for path in records(spark)] == [kept.name, dead.rpartition("/")[2]]
    current = load(spark, MEDIA).operations().current().metadataFileLocation()
    sweep(spark, "media", MEDIA, lambda: [current], later)
    assert [path.name for path in records(spark)] == [kept.name]
    assert named_record(spark).endswith(kept.name)
    assert files(run_new()) == (0, 1)


def test_it_has_the_folders_that_were_read_last() -> None:
    record = Record(2).extended([entry("a", day=1), entry("b", day=1)]).extended([entry("a", day=2)])
    assert record.unread([entry("a", day=1), entry("b", day=1), entry("a", day=2)]) == []
    record = record.extended([entry("c", day=1)]).extended([entry("a", day=3)])
    assert list(record.folders) == ["s3a://source/2018/04/01", "s3a://source/2018/04/03"]
    assert record.unread([entry("a", day=2), entry("c", day=1)]) == [entry("a", day=2)]


@pytest.mark.parametrize(
    ("first", "second", "is_the_same"),
    [
        (entry("a", 1), entry("a", 1), True),
        (entry("a", 1), entry("a", 2), False),
        (entry("a", 1), Object(entry("a").path, 11, 1), False),
        (entry("a", 1, etag="x"), entry("a", 2, etag="x"), True),
        (entry("a", 1, etag="x"), entry("a", 1, etag="y"), False),
    ],
)
def test_an_object_is_known_by_what_the_store_says_of_its_content(
    first: Object, second: Object, is_the_same: bool
) -> None:
    record = Record(9).extended([first])
    assert (record.unread([second]) == []) is is_the_same
    assert (record.replaced([second]) == []) is is_the_same


def test_folders_are_read_whole_where_all_of_them_is_new() -> None:
    objects = [entry("a", day=1), entry("b", day=1), entry("a", day=2), entry("b", day=2)]
    folders = [f"s3a://source/2018/04/{number:02}" for number in (1, 2)]
    days = {folder: date(2018, 4, number) for number, folder in enumerate(folders, 1)}
    batch = Batch(Layout("s3a://source/", "%Y/%m/%d", "json-lines"), days, objects, 2, frozenset(folders))
    assert batch.only(objects).paths == folders
    some = batch.only([objects[0], objects[1], objects[3]])
    assert some.paths == [folders[0], f"{folders[1]}/b"]
    assert batch.only([objects[3]]).paths == [f"{folders[1]}/b"]
    assert str(batch.only([objects[3]]).span) == "2018-04-02..2018-04-03"
    assert batch.only([]).span is None
