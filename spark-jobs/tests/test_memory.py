"""A batch that is larger than the memory of those who work on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import iceberg_jar

EXECUTOR_MEGABYTES = 160
# Ten times that, in lines of 20 KB; each tenth line comes twice.
TEXT = "0123456789abcdef" * 1250
FILES, LINES = 16, EXECUTOR_MEGABYTES * 10 * 1024 * 1024 // len(TEXT) // 16

JOB = """
import json, sys
from dataclasses import replace
from datetime import date
from pyspark.sql import SparkSession
from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import parse_source

settings, declared, location = map(json.loads, sys.argv[1:])
builder = SparkSession.builder
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
result = ingest(spark, parse_source(declared), Interval(date(2018, 4, 1), date(2018, 4, 2)), "r", location=location)
there = spark.sql("SELECT count(*), count(DISTINCT id), sum(length(text)) FROM iceberg.newtral.media").first()
print(json.dumps([result.as_dict(), list(there)]))
"""


def settings(warehouse: Path) -> dict[str, Any]:
    """One executor in a process of its own, with less memory than Spark's reserve of 300 MB would leave room for."""
    return {
        "spark.master": f"local-cluster[1,2,{EXECUTOR_MEGABYTES}]",
        "spark.executor.memory": f"{EXECUTOR_MEGABYTES}m",
        "spark.testing.reservedMemory": 32 << 20,
        # By default so much that an executor of this size refuses to start.
        "spark.network.maxRemoteBlockSizeFetchToMem": "32m",
        "spark.driver.memory": "512m",
        "spark.driver.extraClassPath": iceberg_jar(),
        "spark.executor.extraClassPath": iceberg_jar(),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.iceberg": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.iceberg.type": "hadoop",
        "spark.sql.catalog.iceberg.warehouse": f"file://{warehouse}",
    }


def test_a_batch_ten_times_an_executor_s_memory_arrives_whole(
    declared: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "bucket" / "2018" / "04" / "01"
    folder.mkdir(parents=True)
    keys = 0
    for number in range(FILES):
        with (folder / f"part-{number:02}.json").open("w") as file:
            for line in range(LINES):
                again = line % 10 == 9
                keys += not again
                name = f"{number}-{line - 1 if again else line}"
                file.write(f'{{"id":"{name}","title":"{line}","text":"{TEXT}"}}\n')
    arguments = [settings(tmp_path / "warehouse"), declared["media"], f"file://{tmp_path}/bucket/"]
    run = subprocess.run(
        [sys.executable, "-c", JOB, *map(json.dumps, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    result, there = json.loads(run.stdout.splitlines()[-1])
    assert (result["read"], result["duplicates"], result["inserted"]) == (FILES * LINES, FILES * LINES - keys, keys)
    assert there == [keys, keys, keys * len(TEXT)]
