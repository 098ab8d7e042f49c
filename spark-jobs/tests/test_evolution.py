"""Fields and types that the table does not have yet."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conftest import april_1, sample_data
from lakestack_jobs.evolution import promotes, spark_type
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Column, Source

MEDIA = "iceberg.newtral.media"
UNDECLARED = "iceberg.newtral.media_undeclared"
QUARANTINE = "iceberg.newtral.media_quarantine"

COLUMNS = (Column("id", "string"), Column("views", "int"), Column("share", "float"), Column("price", "decimal(5,2)"))


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@pytest.fixture
def narrow(media: Source) -> Source:
    """A source with few columns of narrow types, which may change."""
    return replace(media, columns=COLUMNS, evolve=True, max_rejected_percent=100)


def types(spark: SparkSession) -> dict[str, str]:
    return dict(spark.table(MEDIA).dtypes)


def test_a_new_field_becomes_a_column_when_the_source_evolves(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(sample_data / "bad" / "extra-nested-column.json")
    result = ingest(spark, replace(media, evolve=True), april_1, "r", location=location)
    kind = "struct<by_country:array<struct<code:string,views:bigint>>,likes:bigint>"
    assert (result.inserted, result.evolved) == (2, [f"column engagement {kind} added"])
    assert types(spark)["engagement"] == kind
    rows = spark.sql(f"SELECT engagement.likes, engagement.by_country[1].views FROM {MEDIA} ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [(None, None), (3, 4)]
    assert not spark.catalog.tableExists(UNDECLARED)
    assert f"column engagement {kind} added" in str(result)


def test_a_new_field_is_reported_and_kept_aside_when_it_does_not(
    spark: SparkSession, media: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(sample_data / "bad" / "extra-nested-column.json")
    result = ingest(spark, media, april_1, "r", location=location)
    assert (result.inserted, result.rejected) == (2, 0)
    assert list(result.undeclared) == ["engagement"]
    assert "not declared, and kept in iceberg.newtral.media_undeclared: engagement (struct<" in str(result)
    [row] = spark.table(UNDECLARED).collect()
    assert row.source_file_name.endswith("extra-nested-column.json")
    assert (row.position, row.run_id) == (2, "r")
    assert json.loads(row.fields["engagement"])["likes"] == 3
    again = ingest(spark, media, april_1, "again", location=location)
    assert list(again.undeclared) == ["engagement"]
    assert spark.table(UNDECLARED).count() == 1


def test_what_a_batch_added_stays_for_the_next(spark: SparkSession, narrow: Source, day_of: Callable[..., str]) -> None:
    ingest(spark, narrow, april_1, "r", location=day_of(content={"a.json": lines({"id": "1", "colour": "red"})}))
    location = day_of(content={"a.json": lines({"id": "2", "colour": "blue"})})
    result = ingest(spark, narrow, april_1, "r2", location=location)
    assert (result.inserted, result.evolved, result.undeclared) == (1, [], {})
    assert sorted(row.colour for row in spark.table(MEDIA).collect()) == ["blue", "red"]


def test_types_are_widened_for_values_that_need_it_and_conflicts_are_kept_aside(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    content = lines(
        {"id": "1", "views": 7, "price": 1.5},
        {"id": "2", "views": 5_000_000_000},
        {"id": "3", "price": 123456.78},
        {"id": "4", "views": "many"},
        {"id": "5", "views": 1.5},
    )
    result = ingest(spark, narrow, april_1, "r", location=day_of(content={"a.json": content}))
    assert (result.inserted, result.rejected) == (3, 2)
    assert result.evolved == ["column views widened to bigint", "column price widened to decimal(38,2)"]
    assert {name: types(spark)[name] for name in ("views", "share", "price")} == {
        "views": "bigint",
        "share": "float",
        "price": "decimal(38,2)",
    }
    rows = spark.sql(f"SELECT id, views, string(price) FROM {MEDIA} ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [("1", 7, "1.50"), ("2", 5_000_000_000, None), ("3", None, "123456.78")]
    reasons = [row.reason for row in spark.table(QUARANTINE).orderBy("position").collect()]
    assert reasons == ["column views is not bigint"] * 2


def test_a_wider_value_is_kept_aside_when_the_source_does_not_evolve(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(content={"a.json": lines({"id": "1", "views": 7}, {"id": "2", "views": 5_000_000_000})})
    result = ingest(spark, replace(narrow, evolve=False), april_1, "r", location=location)
    assert (result.inserted, result.rejected, result.evolved) == (1, 1, [])
    assert types(spark)["views"] == "int"
    [row] = spark.table(QUARANTINE).collect()
    assert row.reason == "column views is not int"


def test_a_batch_that_is_refused_changes_no_column(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    content = lines({"id": "1", "colour": "red", "views": 5_000_000_000}, {"id": "2", "views": "many"})
    with pytest.raises(JobError, match=r"1 of 2 lines \(50\.0 %\)"):
        location = day_of(content={"a.json": content})
        ingest(spark, replace(narrow, max_rejected_percent=10), april_1, "r", location=location)
    assert "colour" not in types(spark)
    assert types(spark)["views"] == "int"


def test_a_field_that_cannot_be_a_column_is_kept_aside(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    content = lines(
        {"id": "1", "Bad Name": 1, "source_file_name": "x", "nothing": None, "mixed": 1}, {"id": "2", "mixed": "a"}
    )
    result = ingest(spark, narrow, april_1, "r", location=day_of(content={"a.json": content}))
    assert result.evolved == ["column mixed string added"]
    assert result.undeclared == {"Bad Name": "bigint", "nothing": "", "source_file_name": "string"}
    assert sorted(row.mixed for row in spark.table(MEDIA).collect()) == ["1", "a"]
    [row] = spark.table(UNDECLARED).collect()
    assert row.fields == {"Bad Name": "1", "nothing": None, "source_file_name": "x"}


def test_a_wider_declaration_changes_the_table(spark: SparkSession, narrow: Source, day_of: Callable[..., str]) -> None:
    location = day_of(content={"a.json": lines({"id": "1", "views": 7})})
    ingest(spark, narrow, april_1, "r", location=location)
    columns = (Column("id", "string"), Column("views", "bigint"), Column("share", "double"), Column("more", "date"))
    ingest(spark, replace(narrow, columns=columns), april_1, "r2", location=location)
    found = types(spark)
    assert {name: found[name] for name in ("views", "share", "more")} == {
        "views": "bigint",
        "share": "double",
        "more": "date",
    }
    assert found["price"] == "decimal(5,2)", "what is no longer declared stays"
    ingest(spark, narrow, april_1, "r3", location=location)
    assert types(spark)["views"] == "bigint", "a narrower declaration changes nothing"


def test_a_declaration_of_another_type_is_refused_before_anything_changes(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(content={"a.json": lines({"id": "1"})})
    ingest(spark, narrow, april_1, "r", location=location)
    before = types(spark)
    columns = (Column("id", "string"), Column("views", "string"), Column("new", "string"))
    with pytest.raises(JobError, match="they can't become the same: views is int, declared as string"):
        ingest(spark, replace(narrow, columns=columns), april_1, "r2", location=location)
    assert types(spark) == before


def test_a_new_column_of_csv_is_text_also_in_a_row_that_needs_a_wider_type(
    spark: SparkSession, narrow: Source, day_of: Callable[..., str]
) -> None:
    location = day_of(content={"a.csv": b"id,views,Colour\n1,5000000000,red\n2,3,\n"})
    result = ingest(spark, replace(narrow, format="csv"), april_1, "r", location=location)
    assert result.evolved == ["column views widened to bigint", "column colour string added"]
    rows = spark.sql(f"SELECT views, colour FROM {MEDIA} ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [(5_000_000_000, "red"), (3, None)]


@pytest.mark.parametrize(
    ("narrow_type", "wide_type", "possible"),
    [
        ("int", "bigint", True),
        ("bigint", "int", False),
        ("float", "double", True),
        ("decimal(5,2)", "decimal(9,2)", True),
        ("decimal(5,2)", "decimal(9,3)", False),
        ("int", "string", False),
        ("date", "timestamp", False),
        ("int", "int", False),
    ],
)
def test_only_iceberg_s_promotions_are_wider(narrow_type: str, wide_type: str, possible: bool) -> None:
    assert promotes(narrow_type, wide_type) is possible


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("BIGINT", "bigint"),
        ("DECIMAL(2,1)", "double"),
        ("VARIANT", "string"),
        ("VOID", ""),
        ("OBJECT<>", "string"),
        ("ARRAY<VOID>", "array<string>"),
        ("ARRAY<OBJECT<a: BIGINT, b: ARRAY<STRING>>>", "array<struct<`a`:bigint,`b`:array<string>>>"),
        ("OBJECT<`b c`: BIGINT, d: STRING>", "string"),
    ],
)
def test_a_variant_s_type_becomes_a_column_s(variant: str, expected: str) -> None:
    assert spark_type(variant) == expected
