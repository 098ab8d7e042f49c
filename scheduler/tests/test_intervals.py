from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from lakestack.intervals import days_of_month, days_of_run


def run(kind: str, **times: datetime | None) -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(run_type=kind, **times)}


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (at(2018, 4, 16, 1), at(2018, 4, 17, 1), (date(2018, 4, 16), date(2018, 4, 17))),
        (at(2018, 4, 16, 0), at(2018, 4, 17, 0), (date(2018, 4, 16), date(2018, 4, 17))),
        (at(2018, 4, 9, 4, 30), at(2018, 4, 16, 4, 30), (date(2018, 4, 9), date(2018, 4, 16))),
        (at(2018, 4, 16, 6), at(2018, 4, 16, 12), (date(2018, 4, 16), date(2018, 4, 17))),
        (at(2018, 4, 16, 18), at(2018, 4, 17, 0), (date(2018, 4, 16), date(2018, 4, 17))),
        (at(2018, 4, 16, 23, 45), at(2018, 4, 17, 0), (date(2018, 4, 16), date(2018, 4, 17))),
        (at(2018, 4, 17, 0), at(2018, 4, 17, 0, 15), (date(2018, 4, 17), date(2018, 4, 18))),
    ],
)
def test_a_run_ingests_its_data_interval(kind: str, start: datetime, end: datetime, days: tuple[date, date]) -> None:
    assert days_of_run(run(kind, data_interval_start=start, data_interval_end=end)) == days


def test_a_triggered_run_ingests_the_day_of_its_logical_date() -> None:
    context = run(
        "manual",
        logical_date=at(2018, 4, 16, 0, 0, 1),
        data_interval_start=at(2018, 4, 14, 1),
        data_interval_end=at(2018, 4, 15, 1),
    )
    assert days_of_run(context) == (date(2018, 4, 16), date(2018, 4, 17))


def test_a_triggered_run_without_logical_date_ingests_the_day_it_was_triggered() -> None:
    context = run("manual", logical_date=None, run_after=at(2018, 4, 16, 10))
    assert days_of_run(context) == (date(2018, 4, 16), date(2018, 4, 17))


@pytest.mark.parametrize(
    ("month", "days"),
    [
        ("2018-04", (date(2018, 4, 1), date(2018, 5, 1))),
        ("2018-12", (date(2018, 12, 1), date(2019, 1, 1))),
        ("2016-02", (date(2016, 2, 1), date(2016, 3, 1))),
    ],
)
def test_a_month_has_all_its_days(month: str, days: tuple[date, date]) -> None:
    assert days_of_month({"params": {"month": month}}) == days
