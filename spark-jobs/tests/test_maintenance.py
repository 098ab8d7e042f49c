"""Compaction and sweep on real tables: what becomes of files, rows, old states and readers."""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakestack_jobs import compaction
from lakestack_jobs import sweep as sweeping
from lakestack_jobs.catalog import load
from lakestack_jobs.compaction import Shape, compact, shape_of
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Source
from lakestack_jobs.sweep import Swept, sweep
from lakestack_jobs.tables import ensure_table

later = datetime.now(UTC) + timedelta(days=1)
table = "iceberg.newtral.media"


def batches(spark: SparkSession, source: Source, count: int, rows: int = 100) -> None:
    """Appends batches of rows whose ids lie scattered over the same range, one file a batch."""
    ensure_table(spark, source.table, source.table_columns)
    for number in range(count):
        ids = spark.range(rows).selectExpr(f"lpad(cast(id * {count} + {number} as string), 9, '0') AS id")
        values = {"id": "id", "title": f"'batch {number}'"}
        columns = [
            f"cast({values.get(column.name, 'null')} AS {column.spark_type}) AS `{column.name}`"
            for column in source.table_columns
        ]
        ids.selectExpr(*columns).coalesce(1).writeTo(table).append()


def content(frame: DataFrame) -> list[tuple[Any, ...]]:
    return sorted((row.id, row.title) for row in frame.select("id", "title").collect())


def metadata_of(spark: SparkSession) -> str:
    location: str = load(spark, table).operations().current().metadataFileLocation()
    return location


def forget_snapshots(spark: SparkSession) -> None:
    """Leaves in the table's metadata the current snapshot alone, as Nessie does; no file is touched."""
    expire = load(spark, table).expireSnapshots().cleanExpiredFiles(False).retainLast(1)
    expire.expireOlderThan(int(later.timestamp() * 1000)).commit()


def on_disk(spark: SparkSession) -> set[Path]:
    root = Path(load(spark, table).location().removeprefix("file:"))
    return {path for path in root.rglob("*") if path.is_file() and path.suffix != ".crc"}


def swept(spark: SparkSession, *states: str, before: datetime = later) -> Swept:
    return sweep(spark, "media", table, lambda: states, before)


def test_compaction_makes_few_files_and_leaves_the_rows(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 8)
    before = content(spark.table(table))
    result = compact(spark, media)
    assert (result.before.files, result.before.manifests) == (8, 8)
    assert (result.after.files, result.after.manifests) == (1, 1)
    assert content(spark.table(table)) == before
    assert len(before) == 800


def test_a_second_compaction_commits_nothing(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 6)
    compact(spark, media)
    state = metadata_of(spark)
    result = compact(spark, media)
    assert result.before == result.after
    assert "nothing to compact" in str(result)
    assert metadata_of(spark) == state


def test_fewer_small_files_than_declared_stay(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 4)
    assert compact(spark, media).after.files == 4


@pytest.mark.parametrize("strategy", ["sort", "bin-pack"])
def test_sorted_by_key_one_key_is_in_one_file(
    spark: SparkSession, media: Source, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of every batch lie over the whole range: only sorting tells the files apart by their bounds."""
    batches(spark, media, 16, rows=2000)
    ensure_table(
        spark,
        media.table,
        media.table_columns,
        properties={"write.metadata.metrics.column.id": "full", "write.parquet.row-group-size-bytes": "65536"},
    )
    size = shape_of(spark, table).bytes // 4
    rewrite = compaction._rewrite_files

    def small(source: Source) -> str:
        mib = f"'target-file-size-bytes', '{source.maintenance.target_file_mib << 20}'"
        return rewrite(source).replace(mib, f"'target-file-size-bytes', '{size}', 'rewrite-all', 'true'")

    monkeypatch.setattr(compaction, "_rewrite_files", small)
    compact(spark, replace(media, maintenance=replace(media.maintenance, compaction=strategy)))
    bounds = spark.sql(
        f"SELECT readable_metrics.id.lower_bound AS low, readable_metrics.id.upper_bound AS high FROM {table}.files"
    )
    wanted = "000016000"
    found = bounds.where(f"low <= '{wanted}' AND high >= '{wanted}'").count()
    assert bounds.count() >= 3
    assert found == (1 if strategy == "sort" else bounds.count()), bounds.collect()


def test_deleted_rows_go_with_their_delete_files(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 6)
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
    spark.sql(f"DELETE FROM {table} WHERE id < '000000300'")
    assert shape_of(spark, table).delete_files > 0
    before = content(spark.table(table))
    after = compact(spark, media).after
    assert (after.files, after.delete_files) == (1, 0)
    assert content(spark.table(table)) == before


def test_an_empty_table_has_nothing_to_compact(spark: SparkSession, media: Source) -> None:
    ensure_table(spark, media.table, media.table_columns)
    assert compact(spark, media).after == Shape(0, 0, 0, 0)


def test_a_batch_that_arrives_during_compaction_is_not_lost(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 6)
    writer = threading.Thread(target=batches, args=(spark, media, 3))
    writer.start()
    compact(spark, media)
    writer.join()
    assert spark.table(table).count() == 900


def test_states_within_the_window_stay_readable_and_older_ones_go(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 6)
    forget_snapshots(spark)
    first = metadata_of(spark)
    compact(spark, media)
    forget_snapshots(spark)
    second = metadata_of(spark)

    within = swept(spark, first, second)
    assert within.states == 2
    old = spark.read.format("iceberg").load(first)
    assert old.count() == 600, "the state before compaction is still there"
    assert len(data_files(spark)) == 7

    result = swept(spark, second)
    assert result.removed >= 6
    assert len(data_files(spark)) == 1
    assert spark.table(table).count() == 600
    assert result.files == result.in_use + result.kept + result.removed


def data_files(spark: SparkSession) -> list[Path]:
    return [path for path in on_disk(spark) if path.suffix == ".parquet"]


def test_states_that_an_earlier_sweep_removed_are_not_asked_for(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 5)
    forget_snapshots(spark)
    first = metadata_of(spark)
    compact(spark, media)
    forget_snapshots(spark)
    assert swept(spark, metadata_of(spark)).removed > 0
    again = swept(spark, first, metadata_of(spark))
    assert (again.states, again.removed) == (1, 0)
    assert spark.table(table).count() == 500


def test_the_metadata_of_a_state_goes_before_its_other_files(
    spark: SparkSession, media: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a sweep that dies leaves states that are whole, and orphans."""
    batches(spark, media, 5)
    forget_snapshots(spark)
    compact(spark, media)
    forget_snapshots(spark)
    removed: list[str] = []
    monkeypatch.setattr(sweeping, "_remove", lambda _, __, locations: removed.extend(locations))
    swept(spark, metadata_of(spark))
    kinds = [".metadata.json" in location for location in removed]
    assert kinds == sorted(kinds, reverse=True)
    assert {True, False} == set(kinds)


def test_a_reader_in_the_middle_of_its_query_is_not_hurt(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 6)
    forget_snapshots(spark)
    state = metadata_of(spark)
    frame = spark.table(table)
    rows = frame.select("id").toLocalIterator()
    seen = {next(rows).id}
    compact(spark, media)
    forget_snapshots(spark)
    swept(spark, state, metadata_of(spark))
    seen.update(row.id for row in rows)
    assert len(seen) == 600


def test_orphans_go_and_young_ones_stay(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 2)
    folder = data_files(spark)[0].parent
    for name, days in (("old.parquet", 10), ("young.parquet", 1), ("note.txt", 10)):
        (folder / name).write_bytes(b"left by a run that died")
        written = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(folder / name, (written, written))
    result = swept(spark, metadata_of(spark), before=datetime.now(UTC) - timedelta(days=3))
    assert result.removed == 1
    left = {path.name for path in folder.iterdir()}
    assert "old.parquet" not in left
    assert {"young.parquet", "note.txt"} <= left
    assert spark.table(table).count() == 200


def test_without_the_current_state_nothing_is_removed(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 1)
    old = metadata_of(spark)
    batches(spark, media, 1)
    before = on_disk(spark)
    with pytest.raises(JobError, match="lacks the state that readers see"):
        swept(spark, old)
    assert on_disk(spark) == before


def test_statistics_are_in_use(spark: SparkSession, media: Source) -> None:
    batches(spark, media, 1)
    spark.sql("CALL iceberg.system.compute_table_stats('newtral.media')").collect()
    assert {path.suffix for path in on_disk(spark)} >= {".stats"}
    swept(spark, metadata_of(spark))
    assert {path.suffix for path in on_disk(spark)} >= {".stats"}
