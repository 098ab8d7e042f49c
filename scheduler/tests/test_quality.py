"""The checks: what Trino is asked, and what is made of its answers. The end-to-end tests ask a real one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from lakestack.quality import Verdict, keep_verdicts, run_checks
from lakestack.sources import Check, Source, load_sources

day = (date(2018, 4, 16), date(2018, 4, 17))
media = load_sources()[0]


class Trino:
    """Answers each statement with the next of the given rows, and keeps the statements."""

    def __init__(self, *answers: Sequence[Any]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, sql: str) -> Sequence[Sequence[Any]]:
        self.asked.append(sql)
        return [self.answers.pop(0)]


def check(kind: str, *columns: str, **bounds: Any) -> Check:  # noqa: ANN401
    given = {"least": None, "most": None, "hours": None, "days": 7, "fails": False, **bounds}
    return Check(kind=kind, columns=columns, **given)


def source_with(*checks: Check) -> Source:
    return replace(media, checks=checks)


def verdict_of(one: Check, *answers: Sequence[Any], days: Any = day) -> tuple[Verdict, str]:  # noqa: ANN401
    trino = Trino(*answers)
    [verdict] = run_checks(trino, source_with(one), days)
    [asked] = trino.asked
    return verdict, asked


def test_nulls_are_counted_in_the_batch_s_rows_alone() -> None:
    verdict, asked = verdict_of(check("notNull", "title", "text"), [56, 0, 3])
    assert asked == (
        'SELECT count(*), count_if("title" IS NULL), count_if("text" IS NULL) FROM "newtral"."media" WHERE '
        "(source_file_name >= 's3a://source/Media/2018/04/16/' AND source_file_name < 's3a://source/Media/2018/04/160')"
    )
    assert (verdict.passed, str(verdict)) == (
        False,
        "notNull of title, text: 3 of 56 rows in text, expected no null",
    )


def test_every_day_of_a_batch_is_looked_at() -> None:
    _, asked = verdict_of(check("notNull", "title"), [1, 0], days=(date(2018, 3, 31), date(2018, 4, 2)))
    assert "'s3a://source/Media/2018/03/31/'" in asked
    assert " OR " in asked
    assert "'s3a://source/Media/2018/04/01/'" in asked


@pytest.mark.parametrize(
    ("bounds", "condition", "expected"),
    [
        ({"least": 0}, "\"n\" < DECIMAL '0'", "at least 0"),
        ({"most": 0.5}, "\"n\" > DOUBLE '0.5'", "at most 0.5"),
        ({"least": -1, "most": 1}, "\"n\" < DECIMAL '-1' OR \"n\" > DECIMAL '1'", "at least -1 and at most 1"),
    ],
)
def test_values_outside_the_bounds_are_counted(bounds: dict[str, float], condition: str, expected: str) -> None:
    verdict, asked = verdict_of(check("range", "n", **bounds), [10, 2])
    assert f"count_if({condition})" in asked
    assert (verdict.passed, verdict.expected) == (False, expected)


@pytest.mark.parametrize(("repeated", "passed"), [(0, True), (1, False)])
def test_keys_of_the_batch_are_looked_for_in_the_whole_table(repeated: int, passed: bool) -> None:
    verdict, asked = verdict_of(check("unique", "id", "msgid"), [repeated])
    assert 'JOIN (SELECT DISTINCT "id", "msgid" FROM "newtral"."media" WHERE' in asked
    assert 'USING ("id", "msgid") GROUP BY "id", "msgid" HAVING count(*) > 1' in asked
    assert verdict.passed is passed


@pytest.mark.parametrize(("seconds", "passed"), [(3600 * 30, True), (3600 * 30 + 1, False), (None, False)])
def test_the_newest_value_must_be_young_enough(seconds: int | None, passed: bool) -> None:
    assert verdict_of(check("freshness", "created_at_etl", hours=30), [seconds])[0].passed is passed


def test_without_a_batch_only_the_age_is_asked_for() -> None:
    trino = Trino([60])
    checks = (check("unique", "id"), check("freshness", "created_at_etl", hours=1), check("rowCount", least=50))
    [verdict] = run_checks(trino, source_with(*checks), None)
    assert (verdict.check.kind, verdict.passed) == ("freshness", True)


@pytest.mark.parametrize(
    ("before", "rows", "passed"),
    [
        ([100, 100, 100], 50, True),
        ([100, 100, 100], 49, False),
        ([0, 0, 100], 60, True),
        ([100, 100, 100], 151, False),
        ([0, 0, 0], 5, True),
        ([100, 100, 100], 0, False),
    ],
)
def test_rows_of_a_day_are_compared_with_the_days_before(before: list[int], rows: int, passed: bool) -> None:
    verdict, asked = verdict_of(check("rowCount", least=50, most=150, days=3), [*before, rows])
    assert asked.count("count_if") == 4
    assert verdict.passed is passed, str(verdict)


def test_verdicts_become_rows_and_quotes_do_no_harm() -> None:
    trino = Trino([], [])
    source = source_with(check("notNull", "title", fails=True))
    keep_verdicts(trino, source, [Verdict(source.checks[0], False, "it's null", "no null")], "r'1")
    assert trino.asked[0].startswith('CREATE TABLE IF NOT EXISTS "newtral"."media_checks" (')
    assert trino.asked[1] == (
        "INSERT INTO \"newtral\".\"media_checks\" VALUES (current_timestamp, 'r''1', 'notNull', 'title', false, "
        "'it''s null', 'no null', 'fail')"
    )


def test_what_blocks_is_asked_of_the_branch_and_by_itself() -> None:
    blocking, other = check("notNull", "id", blocks=True), check("notNull", "title")
    trino = Trino([1, 0])
    source = source_with(blocking, other)
    [verdict] = run_checks(trino, source, day, blocking=True, state="0123abcd")
    assert verdict.check == blocking
    assert 'FROM "newtral"."media#0123abcd" WHERE' in trino.asked[0]
    [verdict] = run_checks(Trino([1, 0]), source, day)
    assert verdict.check == other
    keep_verdicts(kept := Trino([], [], []), source, [Verdict(blocking, False, "1 of 1", "none")], "r")
    assert "'block')" in kept.asked[-1]
