"""The audit log's rows, as its keeper writes them (audit/tests/test_rows.py holds their fields), in its tables."""

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.result import Result
from lakestack_jobs.sources import Source, parse_source

DAY = Interval(date(2026, 11, 29), date(2026, 11, 30))
TIME = "2026-11-29T09:32:08.209131Z"
QUERY = {
    "id": "20261129_095319_00004_p5sxj",
    "time": TIME,
    "user_name": "ann",
    "address": "172.27.0.1",
    "client": "lakestack",
    "state": "FINISHED",
    "statement": "SELECT id FROM newtral.media",
    "tables": [{"name": "iceberg.newtral.media", "columns": ["id"]}],
    "rows_read": 12,
    "bytes_read": 0,
    "rows_returned": 12,
    "rows_written": 0,
    "seconds": 0.25,
}
REFUSED = {**QUERY, "id": "20261129_095323_00005_p5sxj", "state": "FAILED", "error": "PERMISSION_DENIED", "tables": []}
REQUEST = {
    "id": "18EC7A3708EAD794",
    "time": TIME,
    "user_name": "spark",
    "access_key": "spark",
    "operation": "GetObject",
    "bucket": "source",
    "object": "Media/a.json",
    "status": 200,
    "bytes_received": -1,
    "bytes_sent": 1234,
}
ACTION = {"id": "17", "time": TIME, "user_name": "admin", "action": "trigger_dag_run", "details": '{"conf": {}}'}


@pytest.fixture
def bring(spark: SparkSession, tmp_path: Path) -> Callable[..., Result]:
    """Ingests objects of the day, each of some rows."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS iceberg.audit")
    declared = json.loads((Path(__file__).parent / "audit-sources.json").read_text())

    def run(table: str, *objects: list[dict[str, Any]]) -> Result:
        source: Source = parse_source(next(each for each in declared if each["table"] == table))
        spark.sql(f"DROP TABLE IF EXISTS iceberg.{table}")
        folder = tmp_path / table / "2026" / "11" / "29"
        folder.mkdir(parents=True)
        for number, rows in enumerate(objects):
            (folder / f"{number}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return ingest(spark, source, DAY, "r", location=f"file://{tmp_path}/{table}/")

    return run


def test_queries_are_told_with_tables_and_columns_each_once(spark: SparkSession, bring: Callable[..., Result]) -> None:
    # Trino tells a query again when it has had no answer.
    result = bring("audit.queries", [QUERY, REFUSED], [QUERY])
    assert (result.read, result.duplicates, result.inserted, result.rejected) == (3, 1, 2, 0)
    rows = spark.sql(
        "SELECT user_name, state, error, get(tables, 0).name, get(tables, 0).columns, rows_returned, time "
        "FROM iceberg.audit.queries ORDER BY id"
    ).collect()
    assert rows[0][:6] == ("ann", "FINISHED", None, "iceberg.newtral.media", ["id"], 12)
    assert rows[1][:3] == ("ann", "FAILED", "PERMISSION_DENIED")
    assert rows[0].time == datetime(2026, 11, 29, 9, 32, 8, 209131)


def test_requests_and_actions_fit_their_tables(spark: SparkSession, bring: Callable[..., Result]) -> None:
    anonymous = {name: value for name, value in REQUEST.items() if name not in ("user_name", "access_key")}
    result = bring("audit.requests", [REQUEST, {**anonymous, "id": "18EC7A3708EAD795", "status": 403}])
    assert (result.inserted, result.rejected) == (2, 0)
    rows = spark.sql("SELECT user_name, operation, object, status FROM iceberg.audit.requests ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [
        ("spark", "GetObject", "Media/a.json", 200),
        (None, "GetObject", "Media/a.json", 403),
    ]
    result = bring("audit.actions", [ACTION, {**ACTION, "id": "18"}])
    assert (result.inserted, result.rejected) == (2, 0)
