"""Which days a run ingests. The end is the day after the last."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

Days = tuple[date, date]

MONTH_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])$"


def days_of_run(context: Mapping[str, Any]) -> Days:
    """
    The days of a run's data interval: from 01:00 to 01:00 it is the first day, and of a weekly schedule the whole week.
    A run that somebody triggered ingests the day of its logical date; without one, the day on which it was triggered.
    """
    run = context["dag_run"]
    if run.run_type == "manual":
        day = (run.logical_date or run.run_after).date()
        return day, day + timedelta(days=1)
    start, end = run.data_interval_start.date(), run.data_interval_end.date()
    return start, max(end, start + timedelta(days=1))


def days_of_month(context: Mapping[str, Any]) -> Days:
    """All days of the month that the run's parameter names."""
    first = date.fromisoformat(f"{context['params']['month']}-01")
    return first, (first + timedelta(days=31)).replace(day=1)
