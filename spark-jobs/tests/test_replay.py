"""Rows that were kept aside and are tried again: repaired, or declared otherwise; what becomes of the others."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from conftest import april_1
from lakestack_jobs import replay as job
from lakestack_jobs.ingest import ingest, merge_rows
from lakestack_jobs.job_error import JobError
from lakestack_jobs.kept_rows import Selection
from lakestack_jobs.replay import Replayed, discard, replay
from lakestack_jobs.sources import Source, parse_source

PRICES = "iceberg.newtral.prices"
QUARANTINE = f"{PRICES}_quarantine"

Declare = Callable[..., Source]
Fill = Callable[..., Source]


@pytest.fixture
def declare(declared: dict[str, dict[str, Any]], media: Source, tmp_path: object) -> Declare:
    """A source of prices, which puts up with any number of faulty lines."""

    def source(price: str = "int", **settings: object) -> Source:
        columns = [("id", "string"), ("price", price), ("changed", "bigint")]
        parsed = parse_source(
            {
                **declared["media"],
                "name": "prices",
                "table": "newtral.prices",
                "key": ["id"],
                "columns": [{"name": name, "sparkType": kind} for name, kind in columns],
                "maxRejectedPercent": 100,
                **settings,
            }
        )
        return replace(parsed, location=f"file:{tmp_path}/bucket/Media/")

    return source


@pytest.fixture
def fill(spark: SparkSession, declare: Declare, day_of: Callable[..., str]) -> Fill:
    """Ingests lines as the objects of 2018-04-01; returns their source."""

    def run(source: Source | None = None, **files: str) -> Source:
        source = source or declare()
        ending = "csv" if source.format == "csv" else "json"
        day_of(content={f"{name}.{ending}": text.encode() for name, text in files.items()})
        ingest(spark, source, april_1, "first")
        return source

    return run


def repair(spark: SparkSession, text: str, where: str = "true") -> None:
    spark.sql(f"UPDATE {QUARANTINE} SET repaired_text = '{text}' WHERE {where}")


def rows(spark: SparkSession) -> list[tuple[Any, ...]]:
    """Id, price, and the end of the object's address."""
    query = f"SELECT id, price, regexp_extract(source_file_name, '[^/]+$', 0) FROM {PRICES} ORDER BY 1, 3"
    return [tuple(row) for row in spark.sql(query).collect()]


def entries(spark: SparkSession) -> list[Row]:
    spark.catalog.refreshTable(QUARANTINE)
    return spark.table(QUARANTINE).orderBy("source_file_name", "position").collect()


def outcome(result: Replayed) -> tuple[int, int, int, int]:
    return result.entries, result.inserted, result.already_present, result.left


def test_a_repaired_row_arrives_with_its_place_and_its_entry_is_closed(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1","price":5}\n{"id":"2","price":"six"}\n')
    repair(spark, '{"id":"2","price":6}')
    result = replay(spark, source, Selection(), "replay-1")
    assert outcome(result) == (1, 1, 0, 0)
    assert rows(spark) == [("1", 5, "a.json"), ("2", 6, "a.json#2")]
    [entry] = entries(spark)
    assert (entry.resolution, entry.resolved_by, entry.run_id) == ("replayed", "replay-1", "first")
    assert (entry.raw_text, entry.reason) == ('{"id":"2","price":"six"}', "column price is not int")
    assert entry.resolved_at is not None
    assert (result.start, result.end) == ("2018-04-01", "2018-04-02")


def test_a_row_whose_column_is_declared_otherwise_arrives_as_it_was(
    spark: SparkSession, declare: Declare, fill: Fill
) -> None:
    fill(a='{"id":"1","price":5}\n{"id":"2","price":3000000000}\n')
    spark.sql(f"ALTER TABLE {PRICES} ALTER COLUMN price TYPE bigint")
    assert outcome(replay(spark, declare("bigint"), Selection(), "r")) == (1, 1, 0, 0)
    assert rows(spark) == [("1", 5, "a.json"), ("2", 3000000000, "a.json#2")]


def test_what_still_does_not_fit_stays_with_its_new_reason(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='oops\n{"id":"2","price":"six"}\n{"id":"3","price":"7 "}\n')
    repair(spark, '{"price":1}', "position = 1")
    repair(spark, '{"id":"2","price":2}', "position = 2")
    result = replay(spark, source, Selection(), "r")
    assert outcome(result) == (3, 1, 0, 2)
    assert result.reasons == {"column price is not int": 1, "key column id is missing, null or empty": 1}
    first, second, third = entries(spark)
    assert (first.resolution, first.reason) == (None, "key column id is missing, null or empty")
    assert first.repaired_text == '{"price":1}', "the work of a person is not lost"
    assert second.resolution == "replayed"
    assert (third.resolution, third.reason, third.resolved_by) == (None, "column price is not int", None)


def test_twice_is_as_once(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"2","price":"six"}\n{"id":"3","price":"x"}\n')
    repair(spark, '{"id":"2","price":6}', "position = 1")
    replay(spark, source, Selection(), "r")
    before = entries(spark), rows(spark), spark.table(f"{QUARANTINE}.snapshots").count()
    assert outcome(replay(spark, source, Selection(), "again")) == (1, 0, 0, 1)
    assert (entries(spark), rows(spark), spark.table(f"{QUARANTINE}.snapshots").count()) == before


@pytest.mark.parametrize("existing", ["insert", "upsert", "append"])
def test_a_run_that_died_between_the_rows_and_the_entries_is_made_good(
    spark: SparkSession, declare: Declare, fill: Fill, monkeypatch: pytest.MonkeyPatch, existing: str
) -> None:
    keys: dict[str, dict[str, Any]] = {"insert": {}, "upsert": {"versionColumn": "changed"}, "append": {"key": []}}
    source = fill(declare(onExistingKey=existing, **keys[existing]), a='{"id":"1","price":1,"changed":1}\noops\noops\n')
    repair(spark, '{"id":"2","price":2,"changed":2}', "position = 2")
    repair(spark, '{"id":"3","price":3,"changed":3}', "position = 3")

    def die(*_: object, **__: object) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(job, "close", die)
        with pytest.raises(ConnectionError):
            replay(spark, source, Selection(), "r")
    arrived = [("1", 1, "a.json"), ("2", 2, "a.json#2"), ("3", 3, "a.json#3")]
    assert rows(spark) == arrived
    assert [entry.resolution for entry in entries(spark)] == [None, None]
    assert outcome(replay(spark, source, Selection(), "r")) == (2, 0, 2, 0)
    assert rows(spark) == arrived
    assert [entry.resolution for entry in entries(spark)] == ["replayed", "replayed"]


def test_the_row_in_the_table_stays_and_of_two_entries_of_a_key_one_arrives(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1","price":1}\noops\noops\noops\n')
    repair(spark, '{"id":"1","price":9}', "position = 2")
    repair(spark, '{"id":"2","price":2}', "position > 2")
    result = replay(spark, source, Selection(), "r")
    assert (*outcome(result), result.duplicates) == (3, 1, 1, 0, 1)
    assert rows(spark) == [("1", 1, "a.json"), ("2", 2, "a.json#3")]
    assert {entry.resolution for entry in entries(spark)} == {"replayed"}


def test_a_newer_version_replaces_the_row_in_the_table(spark: SparkSession, declare: Declare, fill: Fill) -> None:
    source = declare(onExistingKey="upsert", versionColumn="changed")
    fill(source, a='{"id":"1","price":1,"changed":5}\n{"id":"1","price":"x","changed":6}\n')
    repair(spark, '{"id":"1","price":2,"changed":6}')
    assert replay(spark, source, Selection(), "r").updated == 1
    assert rows(spark) == [("1", 2, "a.json#2")]


def test_a_line_that_was_no_utf_8_needs_a_person(
    spark: SparkSession, declare: Declare, day_of: Callable[..., str]
) -> None:
    source = declare("string")
    day_of(content={"a.json": b'{"id":"\xe9t\xe9","price":"1"}\n'})
    ingest(spark, source, april_1, "first")
    result = replay(spark, source, Selection(), "r")
    assert (outcome(result), result.reasons) == ((1, 0, 0, 1), {"not valid UTF-8": 1})
    repair(spark, '{"id":"été","price":"1"}')
    assert outcome(replay(spark, source, Selection(), "r")) == (1, 1, 0, 0)
    assert rows(spark) == [("été", "1", "a.json#1")]


def test_an_array_of_which_a_part_was_kept_needs_a_person(spark: SparkSession, declare: Declare, fill: Fill) -> None:
    source = fill(declare(format="json-array"), a='{"id":"1"}', b='[{"id":"2","price":"x"},{"id":"3"}]')
    result = replay(spark, source, Selection(), "r")
    assert result.reasons == {"column price is not int": 1, "the file is not one complete JSON array": 1}
    repair(spark, '{"id":"2","price":2}', "position = 1 AND source_file_name LIKE '%b.json'")
    assert outcome(replay(spark, source, Selection(), "r")) == (2, 1, 0, 1)
    assert rows(spark) == [("2", 2, "b.json#1"), ("3", None, "b.json")]


def test_where_a_file_breaks_there_is_nothing_to_replay(
    spark: SparkSession, declare: Declare, day_of: Callable[..., str]
) -> None:
    source = declare()
    day_of(content={"a.json.gz": b"no gzip", "b.json": b'{"id":"1"}\n'})
    ingest(spark, source, april_1, "first")
    result = replay(spark, source, Selection(), "r")
    assert (*outcome(result), result.without_text, result.start) == (1, 0, 0, 1, 1, None)
    assert [reason.startswith("the file is damaged") for reason in result.reasons] == [True]
    assert outcome(discard(spark, source, Selection(reason="damaged"), "d"))[0] == 1
    assert [entry.resolution for entry in entries(spark)] == ["discarded"]


def test_entries_are_chosen_by_reason_day_and_repair(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='oops\n{"id":"2","price":"x"}\n{"id":"3","price":"x"}\n')
    repair(spark, '{"id":"2"}', "position = 2")

    def tried(**selection: Any) -> int:  # noqa: ANN401
        return replay(spark, source, Selection(**selection), "r").entries

    assert tried(reason="nothing of the kind") == 0
    assert tried(reason="JSON") == 1
    assert tried(day=date(2018, 4, 2)) == 0
    assert tried(reason="price", repaired=True) == 1
    assert tried(repaired=True) == 0, "it has arrived"
    assert tried(day=date(2018, 4, 1)) == 2


def test_discarded_entries_are_closed_without_a_row(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\noops\n{"id":"2","price":"x"}\n')
    result = discard(spark, source, Selection(reason="JSON"), "d")
    assert (result.entries, result.discarded, result.inserted) == (1, 1, 0)
    assert [(entry.resolution, entry.resolved_by) for entry in entries(spark)] == [("discarded", "d"), (None, None)]
    assert outcome(replay(spark, source, Selection(), "r")) == (1, 0, 0, 1)
    with pytest.raises(JobError, match=r"^Say which entries of newtral\.prices_quarantine to discard"):
        discard(spark, source, Selection(), "d")


def test_a_closed_entry_stays_closed_when_its_day_is_read_again(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\n{"id":"2","price":"x"}\n')
    repair(spark, '{"id":"2","price":2}')
    replay(spark, source, Selection(), "r")
    again = ingest(spark, source, april_1, "again")
    assert (again.rejected, again.quarantined) == (1, 0)
    assert [entry.resolution for entry in entries(spark)] == ["replayed"]


def test_an_entry_that_is_repaired_anew_meanwhile_stays_open(
    spark: SparkSession, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(a='{"id":"1"}\n{"id":"2","price":"x"}\n{"id":"3","price":"x"}\n')
    repair(spark, '{"id":"2","price":2}', "position = 2")
    repair(spark, '{"id":"3","price":3}', "position = 3")

    def merge_and_repair(*arguments: Any) -> Any:  # noqa: ANN401
        repair(spark, '{"id":"2","price":22}', "position = 2")
        return merge_rows(*arguments)

    monkeypatch.setattr(job, "merge_rows", merge_and_repair)
    replay(spark, source, Selection(), "r")
    assert [entry.resolution for entry in entries(spark)] == [None, "replayed"]


def test_fields_that_no_column_takes_are_kept_beside_the_row_s_place(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\n{"id":"2","price":"x","mood":"bad"}\n')
    repair(spark, '{"id":"2","price":2,"mood":"good"}')
    result = replay(spark, source, Selection(), "r")
    assert (result.inserted, result.undeclared) == (1, {"mood": "string"})
    [kept] = spark.table(f"{PRICES}_undeclared").collect()
    assert (kept.source_file_name[-6:], kept.position, kept.fields) == ("a.json", 2, {"mood": "good"})


def test_a_table_that_evolves_gets_the_columns_of_repaired_rows(
    spark: SparkSession, declare: Declare, fill: Fill
) -> None:
    source = fill(declare(evolve=True), a='{"id":"1"}\n{"id":"2","price":"x"}\n')
    repair(spark, '{"id":"2","price":3000000000,"mood":"good"}')
    result = replay(spark, source, Selection(), "r")
    assert result.inserted == 1
    assert sorted(result.evolved) == ["column mood string added", "column price widened to bigint"]
    assert [tuple(row) for row in spark.sql(f"SELECT id, price, mood FROM {PRICES} WHERE id = '2'").collect()] == [
        ("2", 3000000000, "good")
    ]


def test_csv_is_split_by_the_header_of_its_file(spark: SparkSession, declare: Declare, fill: Fill) -> None:
    source = declare(format="csv")
    fill(
        source,
        a='id,price\n1,5\n2,six\n3\n4,"7\n8"\n',
        b="Changed,ID,Price\n9,5,x\n",
        c="price,id\nx,6\n",
    )
    repair(spark, "2,6", "raw_text LIKE '2,%'")
    repair(spark, "3,", "raw_text LIKE '3%'")
    repair(spark, '9,5,"6"', "source_file_name LIKE '%b.csv'")
    result = replay(spark, source, Selection(), "r")
    assert outcome(result) == (5, 3, 0, 2)
    assert result.reasons == {"column price is not int": 2}
    assert rows(spark) == [("1", 5, "a.csv"), ("2", 6, "a.csv#2"), ("3", None, "a.csv#3"), ("5", 6, "b.csv#1")]
    repair(spark, "1,2,3", "source_file_name LIKE '%c.csv'")
    assert "not as many fields as the header has" in replay(spark, source, Selection(repaired=True), "r").reasons


def test_csv_whose_file_is_gone_stays(spark: SparkSession, declare: Declare, fill: Fill, tmp_path: Any) -> None:  # noqa: ANN401
    source = fill(declare(format="csv"), a="id,price\n1,5\n2,six\n")
    repair(spark, "2,6")
    (tmp_path / "bucket/Media/2018/04/01/a.csv").unlink()
    result = replay(spark, source, Selection(), "r")
    assert result.reasons == {"the file is gone, and with it the names of its columns": 1}


def test_a_quarantine_of_earlier_days_gets_the_columns_that_it_lacks(
    spark: SparkSession, fill: Fill, day_of: Callable[..., str]
) -> None:
    source = fill(a='{"id":"1"}\noops\n')
    for name in ("repaired_text", "resolution", "resolved_by", "resolved_at"):
        spark.sql(f"ALTER TABLE {QUARANTINE} DROP COLUMN {name}")
    day_of(content={"b.json": b"oops\n"})
    assert ingest(spark, source, april_1, "second").quarantined == 1
    repair(spark, '{"id":"2"}', "source_file_name LIKE '%a.json'")
    assert outcome(replay(spark, source, Selection(), "r")) == (2, 1, 0, 1)


def test_without_a_quarantine_there_is_nothing_to_do(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\n')
    assert outcome(replay(spark, source, Selection(), "r")) == (0, 0, 0, 0)
    assert discard(spark, source, Selection(reason="x"), "r").discarded == 0


def test_the_snapshot_says_that_its_rows_were_replayed(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\noops\n')
    repair(spark, '{"id":"2"}')
    replay(spark, source, Selection(), "replay-1")
    [row] = spark.sql(f"SELECT summary FROM {PRICES}.snapshots ORDER BY committed_at DESC LIMIT 1").collect()
    ours = {name: value for name, value in row.summary.items() if name.startswith("lakestack.")}
    assert ours == {
        "lakestack.source": "prices",
        "lakestack.run-id": "replay-1",
        "lakestack.replayed": "1",
        "lakestack.rows-duplicates": "0",
        "lakestack.rows-inserted": "1",
        "lakestack.rows-already-present": "0",
    }


def test_a_result_tells_what_stays_and_why(spark: SparkSession, fill: Fill) -> None:
    source = fill(a='{"id":"1"}\noops\noops\n')
    repair(spark, '{"id":"2"}', "position = 2")
    result = replay(spark, source, Selection(), "r")
    assert str(result).startswith(
        "prices: 2 entries of iceberg.newtral.prices_quarantine tried again: 1 inserted, 0 updated, 0 already present, "
        "0 duplicates, 1 left ("
    )
    assert str(result).endswith("\n  1 times not one complete JSON object")
    assert json.loads(json.dumps(result.as_dict()))["start"] == "2018-04-01"
    nothing = replay(spark, source, Selection(reason="no such"), "r").as_dict()
    assert "start" not in nothing, "those who wait for batches are told of none"
