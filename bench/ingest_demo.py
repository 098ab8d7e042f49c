"""
What the project replaces, from its description: an application for each day, which reads the day's folder, drops
repeated ids and merges the rest into the table.

`python3 ingest_demo.py --project P --folder F --table T --day D` is one such application, with Spark's own settings for
Java. It prints its seconds of processor time.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from ingest_session import Session
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.sources import Source, parse_source


def demo(spark: SparkSession, source: Source, folder: str, table: str) -> None:
    """One day, in a session that is there."""
    schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in source.columns)
    rows = spark.read.schema(schema).json(folder).dropDuplicates(["id"])
    stamped = rows.select(
        "*", F.current_timestamp().alias("created_at_etl"), F.input_file_name().alias("source_file_name")
    )
    stamped.createOrReplaceTempView("batch")
    spark.sql(f"MERGE INTO {table} t USING batch s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *")


def as_application(project: Path, folder: Path, table: str, day: str) -> float:
    """One day, in an application of its own; returns its seconds of processor time."""
    command = [sys.executable, __file__]
    for name, value in {"project": project, "folder": folder, "table": table, "day": day}.items():
        command += [f"--{name}", str(value)]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(ended.stdout.splitlines()[-1])


def declared_articles(project: Path) -> dict[str, object]:
    """The declared source that the benchmark's rows are of."""
    first: dict[str, object] = json.loads((project / "spark-jobs" / "tests" / "sources.json").read_text())[0]
    return first


def main() -> None:
    """Runs the demo for one day."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of the benchmark, with the warehouse in it")
    parser.add_argument("--table", required=True)
    parser.add_argument("--day", required=True, help="the day's folder, with its scheme")
    arguments = parser.parse_args()
    session = Session(arguments.folder, java_options="")
    demo(session.spark, parse_source(declared_articles(arguments.project)), arguments.day, arguments.table)
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(round(session.spent()[0] + own.ru_utime + own.ru_stime, 2))


if __name__ == "__main__":
    sys.exit(main())
