"""Malformed files: the good rows arrive, the bad ones are kept aside with their place and the reason."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from conftest import april_1, sample_data
from lakestack_jobs.ingest import ingest
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source, parse_source

MEDIA = "iceberg.newtral.media"
QUARANTINE = "iceberg.newtral.media_quarantine"

bad = sample_data / "bad"


@pytest.fixture
def load(spark: SparkSession, media: Source, day_of: Callable[..., str]) -> Callable[..., Result]:
    """Ingests files as one day of a source that puts up with any number of faulty lines."""
    patient = replace(media, max_rejected_percent=100)

    def run(*files: str, content: dict[str, bytes] | None = None, run_id: str = "r") -> Result:
        location = day_of(*(bad / file for file in files), content=content)
        return ingest(spark, patient, april_1, run_id, location=location)

    return run


def ids(spark: SparkSession) -> list[str]:
    return sorted(row.id for row in spark.table(MEDIA).select("id").collect())


def quarantined(spark: SparkSession) -> list[Row]:
    return spark.table(QUARANTINE).orderBy("source_file_name", "position").collect()


@pytest.mark.parametrize(
    ("file", "good", "position", "reason"),
    [
        ("truncated-line.json", ["bad-0001", "bad-0002"], 3, "not one complete JSON object"),
        ("invalid-utf8.json", ["bad-0004"], 2, "not valid UTF-8"),
        ("missing-id.json", ["bad-0006"], 2, "key column id is missing, null or empty"),
        ("null-id.json", ["bad-0008"], 2, "key column id is missing, null or empty"),
        ("categories-string.json", ["bad-0010"], 2, "column categories is not array<struct<id:string,name:string>>"),
    ],
)
def test_one_bad_line_is_kept_aside(
    spark: SparkSession, load: Callable[..., Result], file: str, good: list[str], position: int, reason: str
) -> None:
    result = load(file)
    assert (result.inserted, result.rejected, result.quarantined) == (len(good), 1, 1)
    assert ids(spark) == good
    [row] = quarantined(spark)
    assert row.source_file_name.endswith(f"/2018/04/01/{file}")
    assert (row.position, row.reason, row.run_id) == (position, reason, "r")
    raw = (bad / file).read_bytes().split(b"\n")[position - 1]
    assert row.raw_text == raw.decode(errors="replace")
    assert row.created_at_etl is not None


@pytest.mark.parametrize(
    ("file", "good"),
    [
        ("bom.json", ["bad-0012", "bad-0013"]),
        ("extra-nested-column.json", ["bad-0014", "bad-0015"]),
        ("long-text.json", ["bad-0016", "bad-0017"]),
    ],
)
def test_a_strange_but_good_file_arrives_whole(
    spark: SparkSession, load: Callable[..., Result], file: str, good: list[str]
) -> None:
    result = load(file)
    assert (result.inserted, result.rejected, result.quarantined) == (2, 0, 0)
    assert ids(spark) == good
    assert not spark.catalog.tableExists(QUARANTINE)


def test_a_long_text_keeps_its_length(spark: SparkSession, load: Callable[..., Result]) -> None:
    load("long-text.json")
    row = spark.table(MEDIA).where("id = 'bad-0017'").selectExpr("length(text) AS length").first()
    assert row is not None
    assert row.length == 2_097_152


def test_an_empty_file_has_no_rows_and_no_fault(spark: SparkSession, load: Callable[..., Result]) -> None:
    result = load("empty.json")
    assert (result.files, result.read, result.inserted, result.rejected) == (1, 0, 0, 0)


def test_the_rows_before_the_cut_of_a_gzip_arrive_and_the_damage_is_recorded(
    spark: SparkSession, load: Callable[..., Result]
) -> None:
    whole = _lines_before_the_cut(bad / "truncated.json.gz")
    result = load("truncated.json.gz", "null-id.json")
    assert result.damaged_files == 1
    assert (result.rejected, result.quarantined) == (1, 2)
    assert ids(spark) == ["bad-0008", *(f"bad-{100 + number:04}" for number in range(whole))]
    damage = quarantined(spark)[1]
    assert damage.source_file_name.endswith("/truncated.json.gz")
    assert damage.position == whole + 1
    assert damage.reason == "the file is damaged from here on: Unexpected end of input stream"
    assert damage.raw_text is None


def _lines_before_the_cut(path: Path) -> int:
    text = b""
    with gzip.open(path) as stream:
        try:
            while chunk := stream.read1(100):
                text += chunk
        except EOFError:
            pass
    return text.count(b"\n")


def test_a_file_that_is_no_gzip_at_all_is_recorded_as_damaged(spark: SparkSession, load: Callable[..., Result]) -> None:
    result = load("bom.json", content={"plain.json.gz": b'{"id":"x"}\n'})
    assert (result.inserted, result.damaged_files, result.quarantined) == (2, 1, 1)
    [damage] = quarantined(spark)
    assert (damage.position, damage.raw_text) == (1, None)


def test_everything_at_once_and_again(spark: SparkSession, load: Callable[..., Result]) -> None:
    files = sorted(path.name for path in bad.iterdir() if path.name != "README.md")
    first = load(*files)
    assert first.read == first.inserted + first.rejected
    assert (first.files, first.rejected, first.damaged_files, first.quarantined) == (10, 5, 1, 6)
    again = load(*files, run_id="again")
    assert (again.inserted, again.already_present, again.rejected) == (0, first.inserted, 5)
    assert again.quarantined == 0
    assert {row.run_id for row in quarantined(spark)} == {"r"}
    assert len(quarantined(spark)) == 6


def test_positions_count_blank_lines_and_equal_lines_apart(spark: SparkSession, load: Callable[..., Result]) -> None:
    load(content={"a.json": b'oops\n\n  \n{"id":"good"}\r\noops\n', "b.json": b"\noops\n"})
    assert [(row.source_file_name[-6:], row.position) for row in quarantined(spark)] == [
        ("a.json", 1),
        ("a.json", 5),
        ("b.json", 2),
    ]
    assert ids(spark) == ["good"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id":"1"}{"id":"2"}', "not one complete JSON object"),
        ('{"id":"1"} junk', "not one complete JSON object"),
        ('{"id":"1"},"feed":{}', "not one complete JSON object"),
        ('{},"feed":{}', "not one complete JSON object"),
        ('{"id":"1","feed":{"id":"2"}', "not one complete JSON object"),
        ('{"id":"1","title":"x}', "not one complete JSON object"),
        ('{"id":"1",}', "not one complete JSON object"),
        ('\t{"id":"1"}', "not one complete JSON object"),
        ('[{"id":"1"},{"id":"2"}]', "not one complete JSON object"),
        ('"text"', "not one complete JSON object"),
        ("null", "not one complete JSON object"),
        ("{}", "key column id is missing, null or empty"),
        ('{"id":" "}', "key column id is missing, null or empty"),
        (
            '{"id":"1","feed":"x","source":[1]}',
            "column feed is not struct<id:string,name:string>; column source is not struct<title:string>",
        ),
        (
            '{"id":"1","categories":[{"id":"a"},"b"]}',
            "column categories is not array<struct<id:string,name:string>>",
        ),
    ],
)
def test_a_line_that_would_lose_data_is_refused(
    spark: SparkSession, load: Callable[..., Result], line: str, reason: str
) -> None:
    result = load(content={"a.json": f'{line}\n{{"id":"good"}}\n'.encode()})
    assert (result.inserted, result.rejected) == (1, 1)
    [row] = quarantined(spark)
    assert (row.reason, row.raw_text) == (reason, line)


@pytest.mark.parametrize("end", ["", " ", "\t", " \t "])
def test_white_space_behind_a_row_is_no_fault(spark: SparkSession, load: Callable[..., Result], end: str) -> None:
    result = load(content={"a.json": f'{{"id":"1","title":"}}"}}{end}\n'.encode()})
    assert (result.inserted, result.rejected, result.undeclared) == (1, 0, {})


def test_a_number_in_a_text_column_is_kept_as_text(spark: SparkSession, load: Callable[..., Result]) -> None:
    result = load(content={"a.json": b'{"id":12,"title":{"de":"x"}}\n'})
    assert (result.inserted, result.rejected) == (1, 0)
    row = spark.table(MEDIA).first()
    assert row is not None
    assert (row.id, row.title) == ("12", '{"de":"x"}')


def test_a_text_in_a_number_column_is_refused(
    spark: SparkSession, declared: dict[str, dict[str, Any]], media: Source, day_of: Callable[..., str]
) -> None:
    columns = [{"name": "id", "sparkType": "bigint"}, {"name": "price", "sparkType": "decimal(5,2)"}]
    source = parse_source({**declared["media"], "columns": columns, "maxRejectedPercent": 100})
    content = b'{"id":1,"price":1.5}\n{"id":"2"}\n{"id":3,"price":12345678.9}\n{"id":4.5}\n'
    result = ingest(spark, source, april_1, "r", location=day_of(content={"a.json": content}))
    assert (result.inserted, result.rejected) == (1, 3)
    assert [row.reason for row in quarantined(spark)] == [
        "column id is not bigint",
        "column price is not decimal(5,2)",
        "column id is not bigint",
    ]


def test_a_reading_error_without_damage_stays_an_error(
    spark: SparkSession, load: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakestack_jobs.ingest.find_damage", lambda *_: {})
    with pytest.raises((Py4JJavaError, PySparkException), match=r"truncated\.json\.gz"):
        load("truncated.json.gz")


def test_names_with_signs_that_patterns_use_are_found_again(spark: SparkSession, load: Callable[..., Result]) -> None:
    name = "part [1]{a}*?%20+ñ.json"
    result = load(content={name: b'{"id":"good"}\noops\n', "part 1a.json": b'{"id":"other"}\noops\n'})
    assert (result.files, result.inserted, result.rejected) == (2, 2, 2)
    assert [(row.source_file_name.rsplit("/", 1)[1], row.position) for row in quarantined(spark)] == [
        ("part 1a.json", 2),
        (name, 2),
    ]


def test_lines_of_a_large_file_are_counted_through(
    spark: SparkSession, load: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in many parts first; the second look must see the file whole."""
    spark.conf.set("spark.sql.files.maxPartitionBytes", 1 << 12)
    try:
        lines = [f'{{"id":"{number}"}}' if number % 100 else "oops" for number in range(1, 5001)]
        result = load(content={"large.json": "\n".join(lines).encode()})
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert (result.inserted, result.rejected) == (4950, 50)
    assert [row.position for row in quarantined(spark)] == list(range(100, 5001, 100))
