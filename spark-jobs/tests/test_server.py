"""A driver that stays, with real jobs: each has an application of its own, in the same process."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conftest import location_of
from lakestack_jobs.server import END

# The command, with the sample data in place of the source's bucket.
_COMMAND = f"""
import sys
from dataclasses import replace
from lakestack_jobs import __main__ as command

declared = command.read_source
command.read_source = lambda *place: replace(declared(*place), location="{location_of("Media")}")
sys.exit(command.main())
"""


@pytest.fixture(scope="module")
def driver(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A driver with the tests' catalog of files; its folder has the socket and what it prints."""
    folder = tmp_path_factory.mktemp("driver")
    settings = {name: value for name, value in spark.sparkContext.getConf().getAll() if _is_ours(name)}
    settings["spark.sql.catalog.iceberg.warehouse"] = str(folder / "warehouse")
    settings |= {"spark.log.level": "WARN", "spark.ui.showConsoleProgress": "false"}
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    command = folder / "command.py"
    command.write_text(_COMMAND)
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            ["spark-submit", "--master", "local[2]", *options, command, "serve", "--socket", folder / "socket"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        )
    for _ in range(600):
        if (folder / "socket").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    yield folder
    process.terminate()
    process.wait()


def _is_ours(name: str) -> bool:
    return name.startswith(("spark.sql.", "spark.ui.", "spark.driver.extra", "spark.driver.bind"))


def _ask(driver: Path, *job: str) -> str:
    """Returns the job's exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(driver / "socket"))
        connection.sendall(f"{json.dumps(job)}\n".encode())
        with connection.makefile() as lines:
            assert lines.readline() == "ready\n"
            return lines.readline().strip()


def _results(driver: Path, jobs: int) -> list[dict[str, Any]]:
    """What so many jobs have printed, when the last of it is there: an exit code may be sooner."""
    output = driver / "output"
    for _ in range(300):
        if output.read_text().splitlines().count(END) == jobs:
            break
        time.sleep(0.1)
    told = [line.split(" ", 1) for line in output.read_text().splitlines()]
    return [json.loads(rest[0]) for word, *rest in told if word in ("LAKESTACK_RESULT", "LAKESTACK_FAILURE")]


def test_jobs_follow_each_other_in_one_process(driver: Path, declared: dict[str, dict[str, Any]]) -> None:
    sources = driver / "sources.json"
    sources.write_text(json.dumps(list(declared.values())))

    def ingest(*others: str, source: str = "media", start: str = "2018-04-16", end: str = "2018-04-17") -> str:
        days = ("--start", start, "--end", end)
        return _ask(driver, "ingest", "--sources", str(sources), "--source", source, *days, *others)

    assert ingest() == "0"
    # Few enough data to be read by the driver alone, and then too many for that.
    assert ingest("--local-mib", "1") == "0"
    assert ingest("--local-mib", "1", start="2018-03-01", end="2018-06-01") == "0"
    day, again, months = _results(driver, 3)
    assert (day["inserted"], again["inserted"], again["already_present"]) == (56, 0, 56)
    assert (months["inserted"], months["already_present"]) == (4802 - 56, 56)
    # A job that is refused leaves the driver as it was; after one that failed otherwise it ends.
    assert ingest(source="nothing") == "1"
    assert 'No source is called "nothing"' in _results(driver, 4)[-1]["message"]
    assert ingest("--local-mib", "1") == "0"
    assert ingest("--conf", "spark.sql.catalog.iceberg.type=nonsense") == "2"
    assert _results(driver, 6)[-1]["retry"]
    with pytest.raises(OSError, match="Connection"):
        _ask(driver)
