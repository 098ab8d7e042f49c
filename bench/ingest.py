"""
Measures what a batch costs by the size of the table it goes into. `npm run bench:ingest` runs it in the Spark image.

The rows are the sample data's articles, repeated, each with 128 hexadecimal digits of a hash added to its text (so that
it does not compress to nothing), and under fresh keys of 24 hexadecimal digits, as the sample's own are: `ordered` keys
begin with eight digits that count up, as of a clock, with digits of a hash behind them; `random` ones are such digits
only. The table gets its rows in commits of 100,000. The batch is 50,000 rows of JSON, of which 1,000 are in the table
already: the last ones of the ordered keys, any of the random ones.

Prints progress, and as its last line a JSON object.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs import tables
from lakestack_jobs.catalog import current_snapshot, load
from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source, parse_source

BATCH, KNOWN, COMMIT = 50_000, 1_000, 100_000
KEYS = ("ordered", "random")
DAY = Interval(date(2018, 4, 1), date(2018, 4, 2))


class Bench:
    """One session with a catalog in a folder of its own."""

    def __init__(self, folder: Path, cores: int) -> None:
        """Starts the session."""
        self.folder = folder
        jar = next(Path(os.environ.get("SPARK_HOME", "/opt/spark"), "extra-jars").glob("iceberg-spark-runtime-*.jar"))
        builder: Any = SparkSession.builder.master(f"local[{cores}]")
        settings = {
            "spark.driver.memory": "3g",
            "spark.driver.extraClassPath": str(jar),
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.catalog.iceberg": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.iceberg.type": "hadoop",
            "spark.sql.catalog.iceberg.warehouse": f"file://{folder}/warehouse",
        }
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.spark: SparkSession = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("ERROR")

    def spent(self) -> tuple[float, int]:
        """
        Seconds of processor time and bytes read by Spark's process so far, as the kernel counts them. Hadoop's counters
        leave out what Parquet's reader takes; here the exchange between the steps of a query is counted, too.
        """
        jvm: Any = self.spark.sparkContext._jvm
        process = Path(f"/proc/{jvm.java.lang.ProcessHandle.current().pid()}")
        counters = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        ticks = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), int(counters["rchar"])

    def key(self, kind: str, number: Column) -> Column:
        """The key of the row of a number."""
        if kind == "ordered":
            return F.concat(F.lower(F.hex(number + 0x5AC00000)), F.left(F.sha1(number.cast("string")), F.lit(16)))
        return F.left(F.sha1(number.cast("string")), F.lit(24))

    def rows(self, source: Source, kind: str, numbers: DataFrame) -> DataFrame:
        """Articles with the keys of `number`."""
        articles = self.spark.table("articles").withColumnRenamed("id", "old")
        total = articles.count()
        fresh = {
            "id": self.key(kind, F.col("number")),
            # Else a repeated article would take next to no room, and the keys nearly all of the table.
            "text": F.concat_ws(" ", "text", F.sha2(F.col("number").cast("string"), 512)),
        }
        return numbers.join(F.broadcast(articles), F.col("number") % total == F.col("place")).select(
            *(fresh.get(column.name, F.col(f"`{column.name}`")).alias(column.name) for column in source.columns)
        )

    def grow(self, source: Source, kind: str, start: int, end: int) -> None:
        """Adds the rows of some numbers to the table."""
        exact = {"write.metadata.metrics.column.id": "full"}
        name = tables.ensure_table(self.spark, source.table, source.table_columns, properties=exact)
        for first in range(start, end, COMMIT):
            numbers = self.spark.range(first, min(end, first + COMMIT), 1, 1).withColumnRenamed("id", "number")
            stamped = self.rows(source, kind, numbers).select(
                "*", F.current_timestamp().alias("created_at_etl"), F.lit("made").alias("source_file_name")
            )
            stamped.writeTo(name).append()

    def write_batch(self, source: Source, kind: str, size: int) -> None:
        """The batch's JSON, as a day of the source."""
        folder = self.folder / "batch" / "2018" / "04" / "01"
        shutil.rmtree(folder, ignore_errors=True)
        old = (
            self.spark.range(size - KNOWN, size)
            if kind == "ordered"
            else self.spark.range(KNOWN).select((F.col("id") * F.lit(size // KNOWN)).alias("id"))
        )
        new = self.spark.range(size, size + BATCH - KNOWN)
        numbers = new.union(old).withColumnRenamed("id", "number")
        self.rows(source, kind, numbers).coalesce(4).write.json(f"file://{folder}")

    def table_bytes(self, table: str) -> int:
        """Of the data files."""
        row = self.spark.sql(f"SELECT sum(file_size_in_bytes) FROM {table}.files").first()
        return int(row[0]) if row else 0

    def rolled_back(self, table: str, work: Callable[[], object]) -> dict[str, float]:
        """Seconds, seconds of processor time and bytes read of something that commits, which is then undone."""
        before = load(self.spark, table).currentSnapshot().snapshotId()
        began, (processor, read) = time.monotonic(), self.spent()
        work()
        seconds, (processor_after, read_after) = time.monotonic() - began, self.spent()
        self.spark.sql(f"CALL iceberg.system.rollback_to_snapshot('{table.removeprefix('iceberg.')}', {before})")
        return {
            "seconds": round(seconds, 2),
            "cpuSeconds": round(processor_after - processor, 2),
            "bytesRead": read_after - read,
        }


def demo(spark: SparkSession, source: Source, folder: str, table: str) -> None:
    """What the project replaces, from its description: read the prefix, drop repeated ids, MERGE."""
    schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in source.columns)
    rows = spark.read.schema(schema).json(folder).dropDuplicates(["id"])
    stamped = rows.select(
        "*", F.current_timestamp().alias("created_at_etl"), F.input_file_name().alias("source_file_name")
    )
    stamped.createOrReplaceTempView("batch")
    spark.sql(f"MERGE INTO {table} t USING batch s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *")


def check(bench: Bench, source: Source, table: str, keys: DataFrame, *, ranges: bool) -> None:
    """The key check alone, of keys that are in memory as they are in a run."""
    large, tables._LARGE = tables._LARGE, 0 if ranges else 1 << 62
    try:
        snapshot = current_snapshot(bench.spark, table)
        found = tables.present_keys(bench.spark, table, snapshot, keys, source.key).count()
        assert found == KNOWN, f"{found} keys were found, {KNOWN} are there"
    finally:
        tables._LARGE = large


def run(bench: Bench, declared: dict[str, Any], sizes: list[int]) -> list[dict[str, Any]]:
    """All measurements."""
    found = []
    for kind in KEYS:
        source = parse_source({**declared, "table": f"bench.{kind}"})
        table, size = f"iceberg.bench.{kind}", 0
        folder, location = f"file://{bench.folder}/batch/2018/04/01", f"file://{bench.folder}/batch/"
        for target in sizes:
            bench.grow(source, kind, size, target)
            size = target
            bench.write_batch(source, kind, size)
            keys = bench.spark.read.schema("id string").json(folder).persist()
            keys.count()
            ways: dict[str, Callable[[], object]] = {
                "key check, whole column": partial(check, bench, source, table, keys, ranges=False),
                "key check, ranges": partial(check, bench, source, table, keys, ranges=True),
                "batch": partial(ingest, bench.spark, source, DAY, location=location),
                "batch, as the demo does": partial(demo, bench.spark, source, folder, table),
            }
            size_bytes = bench.table_bytes(table)
            for way, work in ways.items():
                arguments = [[f"r{time.time()}"] if way == "batch" else [] for _ in range(3)]
                runs = [bench.rolled_back(table, partial(work, *given)) for given in arguments]
                middle = {name: sorted(run[name] for run in runs)[1] for name in runs[0]}
                found.append({"keys": kind, "rows": size, "way": way, **middle, "tableBytes": size_bytes})
                print(json.dumps(found[-1]), flush=True)
            keys.unpersist()
    return found


def main() -> None:
    """Runs the benchmark in a folder that it may fill."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    bench = Bench(arguments.folder, arguments.cores)
    declared = json.loads((arguments.project / "spark-jobs" / "tests" / "sources.json").read_text())[0]
    media = parse_source(declared)
    schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in media.columns)
    articles = bench.spark.read.schema(schema).option("recursiveFileLookup", True)
    rows = articles.json(f"file://{arguments.project}/sample-data/Media").coalesce(1)
    rows.withColumn("place", F.monotonically_increasing_id()).persist().createOrReplaceTempView("articles")
    results = run(bench, declared, [int(rows) for rows in arguments.rows.split(",")])
    print(json.dumps({"batch": BATCH, "cores": arguments.cores, "results": results}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
