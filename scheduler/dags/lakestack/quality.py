"""The declared checks of a table, asked through Trino."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from lakestack.intervals import Days
from lakestack.sources import Check, Source
from lakestack.tables import quoted, table_name

# Runs a statement and returns the rows.
Ask = Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Verdict:
    """What a check has found, and what was expected, in words."""

    check: Check
    passed: bool
    found: str
    expected: str

    def __str__(self) -> str:
        columns = f" of {', '.join(self.check.columns)}" if self.check.columns else ""
        return f"{self.check.kind}{columns}: {self.found}, expected {self.expected}"


def run_checks(
    ask: Ask, source: Source, days: Days | None, *, blocking: bool = False, state: str | None = None
) -> list[Verdict]:
    """
    Runs checks of a source.

    Args:
        ask: Of Trino.
        source: Whose table.
        days: Of the batch. notNull and range look at the rows of these days' objects, unique at the keys of these rows,
            and rowCount compares each of these days. None: no batch has come, and only the freshness is asked for.
        blocking: Whether those that block are run, or the others.
        state: A commit of the catalog, at which the table is looked at; as readers see it by default.
    """
    if state is not None:
        # Nessie takes what follows the sign for a commit. Trino takes no branch's name there.
        source = replace(source, table=f"{source.table}#{state}")
    return [
        _judges[check.kind](ask, source, check, days)
        for check in source.checks
        if check.blocks == blocking and (days is not None or check.kind == "freshness")
    ]


def _not_null(ask: Ask, source: Source, check: Check, days: Days | None) -> Verdict:
    faults, rows = _count_each(ask, source, days, check.columns, "{} IS NULL")
    return Verdict(check, not faults, faults or f"no null in {rows} rows", "no null")


def _range(ask: Ask, source: Source, check: Check, days: Days | None) -> Verdict:
    bounds = [(check.least, "<", "at least"), (check.most, ">", "at most")]
    outside = " OR ".join(f"{{0}} {sign} {_number(bound)}" for bound, sign, _ in bounds if bound is not None)
    expected = " and ".join(f"{words} {bound:g}" for bound, _, words in bounds if bound is not None)
    faults, rows = _count_each(ask, source, days, check.columns, outside)
    return Verdict(check, not faults, faults or f"all of {rows} rows inside", expected)


def _count_each(ask: Ask, source: Source, days: Days | None, columns: Sequence[str], condition: str) -> tuple[str, int]:
    """In how many rows the condition holds, of each column where it does, in words; and of how many rows."""
    counts = ", ".join(f"count_if({condition.format(quoted(column))})" for column in columns)
    [[rows, *found]] = ask(f"SELECT count(*), {counts} FROM {table_name(source)}{_where(source, days)}")
    faulty = [f"{count} of {rows} rows in {column}" for column, count in zip(columns, found, strict=True) if count]
    return ", ".join(faulty), rows


def _unique(ask: Ask, source: Source, check: Check, days: Days | None) -> Verdict:
    names = ", ".join(map(quoted, check.columns))
    batch = f"SELECT DISTINCT {names} FROM {table_name(source)}{_where(source, days)}"
    [[repeated]] = ask(
        f"SELECT count(*) FROM (SELECT {names} FROM {table_name(source)} JOIN ({batch}) USING ({names}) "
        f"GROUP BY {names} HAVING count(*) > 1)"
    )
    return Verdict(check, repeated == 0, f"{repeated} values in more than one row", "none")


def _freshness(ask: Ask, source: Source, check: Check, days: Days | None) -> Verdict:
    del days
    assert check.hours is not None, "the declaration was checked"
    [column] = check.columns
    newest = f"CAST(max({quoted(column)}) AS timestamp(6) with time zone)"
    [[seconds]] = ask(f"SELECT date_diff('second', {newest}, current_timestamp) FROM {table_name(source)}")
    expected = f"at most {check.hours:g} hours"
    if seconds is None:
        return Verdict(check, False, "no value at all", expected)
    return Verdict(check, seconds <= check.hours * 3600, f"{seconds / 3600:.1f} hours since the newest", expected)


def _row_count(ask: Ask, source: Source, check: Check, days: Days | None) -> Verdict:
    assert days is not None, "it is asked of batches only"
    first = days[0] - timedelta(days=check.days)
    every = list(_each((first, days[1])))
    counts = ", ".join(f"count_if({_of_day(source, day)})" for day in every)
    [found] = ask(f"SELECT {counts} FROM {table_name(source)}{_where(source, (first, days[1]))}")
    rows = dict(zip(every, found, strict=True))
    least, most = check.least or 0, check.most
    expected = f"{least:g} % or more" if most is None else f"{least:g} to {most:g} %"
    faults = []
    for day in _each(days):
        before = [rows[day - timedelta(days=back)] for back in range(1, check.days + 1)]
        # Days without rows are days without objects: a pause, or the time before the source began.
        some = [count for count in before if count]
        if some:
            percent = 100 * rows[day] * len(some) / sum(some)
            if percent < least or (most is not None and percent > most):
                faults.append(f"{day} has {rows[day]} rows, {percent:.0f} %")
    expected += f" of the average of the {check.days} days before"
    return Verdict(check, not faults, "; ".join(faults) or "counts like those of the days before", expected)


_judges: dict[str, Callable[[Ask, Source, Check, Days | None], Verdict]] = {
    "notNull": _not_null,
    "range": _range,
    "unique": _unique,
    "freshness": _freshness,
    "rowCount": _row_count,
}


def keep_verdicts(ask: Ask, source: Source, verdicts: Sequence[Verdict], run_id: str) -> None:
    """Adds the verdicts to `<table>_checks`, a row each."""
    table = table_name(source, "_checks")
    ask(
        f"CREATE TABLE IF NOT EXISTS {table} (checked_at timestamp(6) with time zone, run_id varchar, "
        '"check" varchar, columns varchar, passed boolean, found varchar, expected varchar, on_failure varchar) '
        "WITH (format_version = 2)"
    )
    rows = [
        (
            _text(run_id),
            _text(verdict.check.kind),
            _text(", ".join(verdict.check.columns)),
            str(verdict.passed).lower(),
            _text(verdict.found),
            _text(verdict.expected),
            _text("block" if verdict.check.blocks else "fail" if verdict.check.fails else "warn"),
        )
        for verdict in verdicts
    ]
    if rows:
        values = ", ".join(f"(current_timestamp, {', '.join(row)})" for row in rows)
        ask(f"INSERT INTO {table} VALUES {values}")


def _where(source: Source, days: Days | None) -> str:
    return "" if days is None else f" WHERE {' OR '.join(_of_day(source, day) for day in _each(days))}"


def _of_day(source: Source, day: date) -> str:
    """The rows of one day's objects, by the bounds of their addresses: files without such rows are not read."""
    folder = f"{source.folder}{day.strftime(source.dates)}"
    # "0" is what comes after "/".
    return f"(source_file_name >= {_text(folder + '/')} AND source_file_name < {_text(folder + '0')})"


def _each(days: Days) -> Iterator[date]:
    day = days[0]
    while day < days[1]:
        yield day
        day += timedelta(days=1)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _number(value: float) -> str:
    return f"DECIMAL '{value}'" if isinstance(value, int) else f"DOUBLE '{value}'"
