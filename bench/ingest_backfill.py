"""Many days at once: in one run, day by day as the demo does, and by DuckDB as the limit of what the machine can do."""

import json
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from typing import Any

import duckdb
from ingest_session import Session
from pyspark.sql import SparkSession

import lakestack_jobs.ingest as job
from lakestack_jobs import tables
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source, parse_source

DAY_ROWS = 100_000
# So many rows of a day are delivered again the day after.
AGAIN = 1_000
FIRST = date(2018, 1, 1)

Demo = Callable[[SparkSession, Source, str, str], None]


class Backfill:
    """Some days of JSON, and three ways to make one table of them; each must end with the same rows."""

    def __init__(self, session: Session, declared: dict[str, Any], rows: int) -> None:
        """Writes the days."""
        self.session, self.rows = session, rows
        self.days = [FIRST + timedelta(days=number) for number in range(rows // DAY_ROWS)]
        self.ours = parse_source({**declared, "table": "bench.backfill"})
        self.demos = parse_source({**declared, "table": "bench.backfill_demo"})
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

    def measure(self, demo: Demo) -> dict[str, Any]:
        """Runs all ways, one after another."""
        table = self.session.empty_table(self.demos)
        ways: dict[str, tuple[Callable[[], None], Callable[[], int]]] = {
            "DuckDB": (self._duckdb, self._duckdb_rows),
            "Lakestack, in one run": (self._ours, lambda: self._rows(f"iceberg.{self.ours.table}")),
            "demo, day by day": (lambda: self._demo(demo, table), lambda: self._rows(table)),
        }
        results = []
        for way, (work, count) in ways.items():
            own = resource.getrusage(resource.RUSAGE_SELF)
            spent = self.session.measured(work)
            if way == "DuckDB":
                after = resource.getrusage(resource.RUSAGE_SELF)
                spent["cpuSeconds"] = round(after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime, 2)
            found = count()
            assert found == self.rows, f"{way}: {found} rows, expected {self.rows}"
            results.append(
                {
                    "way": way,
                    "seconds": spent["seconds"],
                    "cpuSeconds": spent["cpuSeconds"],
                    "rowsPerSecond": round(self.rows / spent["seconds"]),
                }
            )
            print(json.dumps(results[-1]), flush=True)
        text = sum(file.stat().st_size for file in self.folder.rglob("*.json"))
        shutil.rmtree(self.folder)
        return {
            "rows": self.rows,
            "days": len(self.days),
            "textBytes": text,
            "results": results,
            "profile": self.profile,
        }

    def _rows(self, table: str) -> int:
        row = self.session.spark.sql(f"SELECT count(*), count(DISTINCT id) FROM {table}").first()
        assert row is not None and row[0] == row[1], f"{table} has {row} rows and keys"
        return int(row[0])

    def _ours(self) -> None:
        interval = Interval(self.days[0], self.days[-1] + timedelta(days=1))
        with self._profiled():
            job.ingest(self.session.spark, self.ours, interval, "backfill", location=f"file://{self.folder}/")

    def _demo(self, demo: Demo, table: str) -> None:
        for day in self.days:
            demo(self.session.spark, self.demos, f"file://{self._day(day)}", table)

    def _duckdb(self) -> None:
        columns = ", ".join(f"'{column.name}': '{_duckdb_type(column.spark_type)}'" for column in self.ours.columns)
        with duckdb.connect(config={"threads": self.session.cores, "memory_limit": "3GB"}) as database:
            database.execute(f"SET temp_directory = '{self.session.folder}/duckdb'")
            database.execute(
                "COPY (SELECT DISTINCT ON (id) *, now() AS created_at_etl FROM "
                f"read_json('{self.folder}/**/*.json', format = 'newline_delimited', filename = 'source_file_name', "
                f"columns = {{{columns}}})) "
                f"TO '{self.session.folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )

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
