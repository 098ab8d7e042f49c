"""
A job of some stages that computes and reads nothing, for `npm run bench:spark-scaling`.

Called with the number of rows, the number of tasks of a stage, and the file that takes what it has seen, as JSON: when
its first task was launched (seconds since 1970), and on how many executors it ran.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from pyspark.sql import SparkSession


def main(rows: int, tasks: int, result: Path) -> None:
    """Runs the job, and asks Spark's own interface when what happened."""
    spark = SparkSession.builder.appName("bench").config("spark.sql.shuffle.partitions", tasks).getOrCreate()
    numbers = spark.range(0, rows, 1, tasks).selectExpr("id % 100000 AS part", "xxhash64(id, id * 7) AS value")
    groups = numbers.groupBy("part").agg({"value": "max"})
    counted = groups.orderBy("max(value)").limit(10).collect()
    assert len(counted) == 10, counted

    context: Any = spark.sparkContext

    def ask(what: str) -> Any:  # noqa: ANN401
        with urlopen(f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/{what}") as answer:
            return json.load(answer)

    launched = [stage["firstTaskLaunchedTime"] for stage in ask("stages") if "firstTaskLaunchedTime" in stage]
    first = datetime.strptime(min(launched), "%Y-%m-%dT%H:%M:%S.%fGMT").replace(tzinfo=UTC)
    executors = [each for each in ask("allexecutors") if each["id"] != "driver"]
    result.write_text(json.dumps({"first": first.timestamp(), "executors": len(executors)}))
    spark.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
