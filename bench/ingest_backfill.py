"""
Measures what many days at once cost: in one run, day by day as the demo does, and by DuckDB as the limit of what the
machine can do. `npm run bench:ingest` runs it in the image of the checks; the rows are those of `ingest.py`.

Prints progress, and as its last line a JSON object.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
from ingest_demo import as_application, declared_articles, demo
from ingest_session import LARGE_JOBS, Session

import lakestack_jobs.ingest as job
from lakestack_jobs import tables
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import parse_source

DAY_ROWS = 100_000
# So many rows of a day are delivered again the day after.
AGAIN = 1_000
FIRST = date(2018, 1, 1)


class Backfill:
    """Some days of JSON, and the ways to make one table of them; each must end with the same rows."""

    def __init__(self, session: Session, project: Path, rows: int) -> None:
        """Writes the days."""
        self.session, self.project, self.rows = session, project, rows
        declared = declared_articles(project)
        self.days = [FIRST + timedelta(days=number) for number in range(rows // DAY_ROWS)]
        self.ours = parse_source({**declared, "table": "bench.backfill"})
        self.demos = [parse_source({**declared, "table": f"bench.demo{number}"}) for number in range(2)]
        self.folder = session.folder / "backfill"
        self.profile: list[dict[str, Any]] = []
        for number, day in enumerate(self.days):
            first = number * DAY_ROWS
            numbers = session.numbers(max(0, first - AGAIN), first + DAY_ROWS)
            session.rows(self.ours, "ordered", numbers).write.json(f"file://{self._day(day)}")
        for file in self.folder.rglob("*"):
            if file.is_file() and file.suffix != ".json":
                file.unlink()

    def _day(self, day: date) -> str:
        return f"{self.folder}/{day:%Y/%m/%d}"

    def measure(self) -> dict[str, Any]:
        """Runs all ways, one after another."""
        in_one, each = (self.session.empty_table(source) for source in self.demos)
        # Each returns the seconds of processor time that its own processes took, beside those of the session's Java.
        ways: dict[str, tuple[Callable[[], float], Callable[[], int]]] = {
            "DuckDB": (self._duckdb, self._duckdb_rows),
            "Lakestack, in one run": (self._ours, lambda: self._rows(f"iceberg.{self.ours.table}")),
            "demo, an application a day": (lambda: self._demo_each(each), lambda: self._rows(each)),
            "demo, day by day in one application": (lambda: self._demo_in_one(in_one), lambda: self._rows(in_one)),
        }
        results = []
        for way, (work, count) in ways.items():
            others: list[float] = []
            spent = self.session.measured(lambda: others.append(work()))  # noqa: B023
            found = count()
            assert found == self.rows, f"{way}: {found} rows, expected {self.rows}"
            results.append(
                {
                    "way": way,
                    "seconds": spent["seconds"],
                    "cpuSeconds": round(spent["cpuSeconds"] + sum(others), 2),
                    "rowsPerSecond": round(self.rows / spent["seconds"]),
                }
            )
            print(json.dumps(results[-1]), flush=True)
        return {
            "rows": self.rows,
            "days": len(self.days),
            "textBytes": self.text_bytes(),
            "results": results,
            "profile": self.profile,
        }

    def ours_alone(self) -> dict[str, float]:
        """Runs Lakestack's way only; returns what it took."""
        spent = self.session.measured(self._ours)
        found = self._rows(f"iceberg.{self.ours.table}")
        assert found == self.rows, f"{found} rows, expected {self.rows}"
        return spent

    def text_bytes(self) -> int:
        """How much JSON the days are."""
        return sum(file.stat().st_size for file in self.folder.rglob("*.json"))

    def _rows(self, table: str) -> int:
        # Other processes may have written to it.
        self.session.spark.sql(f"REFRESH TABLE {table}")
        row = self.session.spark.sql(f"SELECT count(*), count(DISTINCT id) FROM {table}").first()
        assert row is not None and row[0] == row[1], f"{table} has {row} rows and keys"
        return int(row[0])

    def _ours(self) -> float:
        interval = Interval(self.days[0], self.days[-1] + timedelta(days=1))
        with self._profiled():
            job.ingest(self.session.spark, self.ours, interval, "backfill", location=f"file://{self.folder}/")
        return 0

    def _demo_in_one(self, table: str) -> float:
        for day in self.days:
            demo(self.session.spark, self.demos[0], f"file://{self._day(day)}", table)
        return 0

    def _demo_each(self, table: str) -> float:
        folder = self.session.folder
        return sum(as_application(self.project, folder, table, f"file://{self._day(day)}") for day in self.days)

    def _duckdb(self) -> float:
        before = resource.getrusage(resource.RUSAGE_SELF)
        columns = ", ".join(f"'{column.name}': '{_duckdb_type(column.spark_type)}'" for column in self.ours.columns)
        with duckdb.connect(config={"threads": self.session.cores, "memory_limit": "3GB"}) as database:
            database.execute(f"SET temp_directory = '{self.session.folder}/duckdb'")
            database.execute(
                "COPY (SELECT DISTINCT ON (id) *, now() AS created_at_etl FROM "
                f"read_json('{self.folder}/**/*.json', format = 'newline_delimited', filename = 'source_file_name', "
                f"columns = {{{columns}}})) "
                f"TO '{self.session.folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )
        after = resource.getrusage(resource.RUSAGE_SELF)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _duckdb_rows(self) -> int:
        file = self.session.folder / "duckdb.parquet"
        row = duckdb.execute(f"SELECT count(DISTINCT id), count(*) FROM '{file}'").fetchone()
        assert row is not None and row[0] == row[1], f"{file} has {row} keys and rows"
        file.unlink()
        return int(row[0])

    @contextmanager
    def _profiled(self) -> Iterator[None]:
        """Takes the time of a run's steps."""
        counted, append = job.counted_keys, tables.append

        @contextmanager
        def counted_keys(*given: Any) -> Iterator[Any]:  # noqa: ANN401
            context: AbstractContextManager[Any] = counted(*given)
            yielded = self._step("read, parse and check lines; keep them; exchange their keys", context.__enter__)
            try:
                yield yielded
            finally:
                context.__exit__(None, None, None)

        def appended(*given: Any) -> None:  # noqa: ANN401
            self._step("write and commit", lambda: append(*given))

        began, (processor, _) = time.monotonic(), self.session.spent()
        job.counted_keys, tables.append = counted_keys, appended  # type: ignore[assignment]
        try:
            yield
        finally:
            job.counted_keys, tables.append = counted, append
            rest = time.monotonic() - began - sum(step["seconds"] for step in self.profile)
            cpu = self.session.spent()[0] - processor - sum(step["cpuSeconds"] for step in self.profile)
            self.profile.append({"step": "all else", "seconds": round(rest, 2), "cpuSeconds": round(cpu, 2)})

    def _step(self, name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        began, (processor, _) = time.monotonic(), self.session.spent()
        result = work()
        self.profile.append(
            {
                "step": name,
                "seconds": round(time.monotonic() - began, 2),
                "cpuSeconds": round(self.session.spent()[0] - processor, 2),
            }
        )
        return result


def _duckdb_type(spark_type: str) -> str:
    """Of the types that the sample data have."""
    return {
        "string": "VARCHAR",
        "array<struct<`id`:string,`name`:string>>": "STRUCT(id VARCHAR, name VARCHAR)[]",
        "struct<`id`:string,`name`:string>": "STRUCT(id VARCHAR, name VARCHAR)",
        "struct<`title`:string>": "STRUCT(title VARCHAR)",
    }[spark_type]


def main() -> None:
    """Runs the benchmark in a folder that it may fill."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True)
    arguments = parser.parse_args()
    session = Session(arguments.folder, LARGE_JOBS)
    articles = parse_source(declared_articles(arguments.project))
    session.load_articles(arguments.project / "sample-data" / "Media", articles)
    backfill = Backfill(session, arguments.project, arguments.size).measure()
    print(json.dumps({"cores": session.cores, "backfill": backfill}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
