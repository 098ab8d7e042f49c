"""
The command that a scheduler submits.

    spark-submit lakestack_jobs/__main__.py ingest --source media --start 2018-04-16 --end 2018-04-17

Its last line on success is `LAKESTACK_RESULT ` and a JSON object with the counts; on failure `LAKESTACK_FAILURE ` and a
JSON object with a `message` and whether to `retry`, and the exit code is 1.
"""

import argparse
import json
import os
import sys
import traceback
import uuid
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.objects import Interval
from lakestack_jobs.result import Result
from lakestack_jobs.sources import read_source

RESULT, FAILURE = "LAKESTACK_RESULT", "LAKESTACK_FAILURE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job that the arguments name; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        result = _run_ingest(parsed)
    except JobError as failure:
        _print_failure(str(failure), retry=False)
        return 1
    except Exception as error:
        traceback.print_exc()
        _print_failure(_first_line(error), retry=True)
        return 1
    print(result)
    print(RESULT, json.dumps(result.as_dict()), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lakestack_jobs")
    jobs = parser.add_subparsers(required=True, metavar="JOB")
    job = jobs.add_parser("ingest", help="read the objects of an interval of days into the table of their source")
    job.add_argument("--source", required=True, help="name of a declared source")
    job.add_argument("--start", required=True, type=date.fromisoformat, help="first day, YYYY-MM-DD")
    job.add_argument("--end", required=True, type=date.fromisoformat, help="the day after the last")
    job.add_argument("--late-days", type=int, default=0, help="days before the first that are read again")
    job.add_argument("--run-id", default=f"manual-{uuid.uuid4()}", help="names the run in the tables")
    job.add_argument(
        "--sources",
        type=Path,
        default=Path(os.environ.get("LAKESTACK_SOURCES", "/opt/lakestack/sources.json")),
        help="the declared sources, rendered (default: $LAKESTACK_SOURCES, else /opt/lakestack/sources.json)",
    )
    return parser


def _run_ingest(parsed: argparse.Namespace) -> Result:
    interval = Interval(parsed.start, parsed.end)
    source = read_source(parsed.sources, parsed.source)
    spark = SparkSession.builder.appName(f"ingest {source.name} {interval}").getOrCreate()
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        return ingest(spark, source, interval, parsed.run_id, late_days=parsed.late_days)
    finally:
        spark.stop()


def _print_failure(message: str, *, retry: bool) -> None:
    sys.stderr.flush()
    print(FAILURE, json.dumps({"message": message, "retry": retry}), flush=True)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:500]}"


if __name__ == "__main__":
    sys.exit(main())
