"""A Spark session with a catalog in a folder, and tables of any size made from the sample data."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs import tables
from lakestack_jobs.catalog import load
from lakestack_jobs.sources import Source

COMMITS = 20
# As the stack's drivers have it.
SMALL_JOBS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
LARGE_JOBS = "-XX:+UseSerialGC"


class Session:
    """Spark, as a job of the stack has it, but in one process."""

    cores = 2

    def __init__(self, folder: Path, java_options: str = SMALL_JOBS, *, heap_mib: int = 3072) -> None:
        """Starts it."""
        self.folder, cores = folder, self.cores
        jar = next(Path(os.environ.get("SPARK_HOME", "/opt/spark"), "extra-jars").glob("iceberg-spark-runtime-*.jar"))
        builder: Any = SparkSession.builder.master(f"local[{cores}]")
        settings = {
            "spark.driver.memory": f"{heap_mib}m",
            "spark.driver.extraClassPath": str(jar),
            # One process does here what many do in the stack, and compiled code adds up.
            "spark.driver.extraJavaOptions": f"{java_options} -XX:ReservedCodeCacheSize=240m",
            "spark.shuffle.sort.bypassMergeThreshold": "20",
            "spark.local.dir": f"{folder}/spark",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(cores),
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
        self.defaults = {
            name: self.spark.conf.get(name)
            for name in (
                "spark.sql.shuffle.partitions",
                "spark.sql.autoBroadcastJoinThreshold",
                "spark.sql.inMemoryColumnarStorage.compressed",
            )
        }

    def load_articles(self, folder: Path, source: Source) -> None:
        """Reads the sample data, from which all rows are made."""
        schema = ", ".join(f"`{column.name}` {column.spark_type}" for column in source.columns)
        rows = self.spark.read.schema(schema).option("recursiveFileLookup", True).json(f"file://{folder}").coalesce(1)
        rows.withColumn("place", F.monotonically_increasing_id()).persist().createOrReplaceTempView("articles")
        self._articles = self.spark.table("articles").count()

    def spent(self) -> tuple[float, int]:
        """
        Seconds of processor time and bytes read so far by Spark's process and Python's workers, as the kernel counts
        them. Hadoop's counters leave out what Parquet's reader takes; here the exchange between the steps of a query is
        counted, too.
        """
        jvm: Any = self.spark.sparkContext._jvm
        seconds, read = 0.0, 0
        for process in _with_children(jvm.java.lang.ProcessHandle.current()):
            try:
                counters = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
                ticks = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:15]
            except OSError:
                continue  # It has ended; its parent may still have to ask how.
            seconds += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            read += int(counters["rchar"])
        return seconds, read

    def measured(self, work: Callable[[], object]) -> dict[str, float]:
        """Seconds, seconds of processor time and bytes read."""
        # A run sets what it needs for itself alone: in the stack each has a session of its own.
        for name, value in self.defaults.items():
            self.spark.conf.set(name, str(value))
        began, (processor, read) = time.monotonic(), self.spent()
        work()
        seconds, (processor_after, read_after) = time.monotonic() - began, self.spent()
        return {
            "seconds": round(seconds, 2),
            "cpuSeconds": round(processor_after - processor, 2),
            "bytesRead": read_after - read,
        }

    def key(self, kind: str, number: Column) -> Column:
        """The key of the row of a number."""
        if kind == "ordered":
            return F.concat(F.lower(F.hex(number + 0x5AC00000)), F.left(F.sha1(number.cast("string")), F.lit(16)))
        return F.left(F.sha1(number.cast("string")), F.lit(24))

    def rows(self, source: Source, kind: str, numbers: DataFrame) -> DataFrame:
        """Articles with the keys of `number`."""
        articles = self.spark.table("articles").withColumnRenamed("id", "old")
        fresh = {
            "id": self.key(kind, F.col("number")),
            # Else a repeated article would take next to no room, and the keys nearly all of the table.
            "text": F.concat_ws(" ", "text", F.sha2(F.col("number").cast("string"), 512)),
        }
        return numbers.join(F.broadcast(articles), F.col("number") % self._articles == F.col("place")).select(
            *(fresh.get(column.name, F.col(f"`{column.name}`")).alias(column.name) for column in source.columns)
        )

    def numbers(self, start: int, end: int, parts: int | None = None) -> DataFrame:
        """A column `number`, in so many tasks."""
        return self.spark.range(start, end, 1, parts or self.cores).withColumnRenamed("id", "number")

    def empty_table(self, source: Source) -> str:
        """Makes the source's table, as a run makes it."""
        exact = {"write.metadata.metrics.column.id": "full"}
        return tables.ensure_table(self.spark, source.table, source.table_columns, properties=exact)

    def grow(self, source: Source, kind: str, start: int, end: int) -> int:
        """Adds the rows of some numbers to the table, in some commits; returns the snapshot."""
        name = self.empty_table(source)
        step = -(-(end - start) // COMMITS)
        for first in range(start, end, step):
            stamped = self.rows(source, kind, self.numbers(first, min(end, first + step))).select(
                "*", F.current_timestamp().alias("created_at_etl"), F.lit("made").alias("source_file_name")
            )
            stamped.writeTo(name).append()
        return int(load(self.spark, name).currentSnapshot().snapshotId())

    def go_to(self, table: str, snapshot: int) -> int:
        """Makes a snapshot the current one; returns how many bytes its data files have."""
        name = table.removeprefix("iceberg.")
        self.spark.sql(f"CALL iceberg.system.set_current_snapshot('{name}', {snapshot})")
        summary = load(self.spark, table).currentSnapshot().summary()
        return int(summary.get("total-files-size"))


def _with_children(handle: Any) -> list[Path]:  # noqa: ANN401
    """The folders of /proc of a Java process and all that it started."""
    started = handle.descendants().iterator()
    pids = [handle.pid()]
    while started.hasNext():
        pids.append(started.next().pid())
    return [Path(f"/proc/{pid}") for pid in pids]
