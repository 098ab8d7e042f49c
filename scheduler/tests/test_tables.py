from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lakestack.sources import load_sources
from lakestack.tables import create_table, difference

media = load_sources()[0]


def test_the_statements_name_every_column_with_its_exact_type() -> None:
    statements: list[str] = []

    def query(sql: str, _: Sequence[str]) -> Sequence[Sequence[Any]]:
        statements.append(sql)
        return list(media.columns.items()) if sql.startswith("SELECT") else []

    assert create_table(query, media) is None
    assert statements[0] == 'CREATE SCHEMA IF NOT EXISTS "newtral"'
    assert statements[1].startswith('CREATE TABLE IF NOT EXISTS "newtral"."media" ("categories" array(row(')
    assert statements[1].endswith(
        '"created_at_etl" timestamp(6) with time zone, "source_file_name" varchar) WITH (format_version = 2)'
    )


def test_partitions_are_named_in_trino_s_words() -> None:
    statements: list[str] = []

    def query(sql: str, _: Sequence[str]) -> Sequence[Sequence[Any]]:
        statements.append(sql)
        return list(media.columns.items()) if sql.startswith("SELECT") else []

    create_table(query, replace(media, partitioning=["type", "bucket(id, 16)"]))
    assert statements[1].endswith("WITH (format_version = 2, partitioning = ARRAY['type', 'bucket(id, 16)'])")


def test_spelling_makes_no_difference() -> None:
    found = {**media.columns, "categories": 'array(row("id" varchar,"name" varchar))'}
    assert difference(media, found) is None


def test_each_different_column_is_named() -> None:
    found = {**media.columns, "id": "bigint", "colour": "varchar"}
    del found["title"]
    message = difference(media, found)
    assert message == (
        "The table newtral.media has other columns than its source media declares: id is bigint, declared as varchar; "
        "title is not there, declared as varchar; colour is varchar, declared as nothing."
    )


def test_a_source_that_evolves_may_have_more_and_wider_columns() -> None:
    evolving = replace(
        media, evolves=True, columns={"id": "varchar", "n": "integer", "p": "decimal(5, 2)", "x": "date"}
    )
    assert difference(evolving, {"id": "varchar", "n": "bigint", "p": "decimal(38,2)", "new": "varchar"}) is None
    message = difference(evolving, {"id": "bigint", "n": "varchar", "p": "decimal(5,3)", "x": "date"})
    assert message is not None
    assert "id is bigint, declared as varchar; n is varchar, declared as integer; p is decimal(5,3)" in message
