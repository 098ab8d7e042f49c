"""A Spark session with an Iceberg catalog on the local file system, and sources laid out as in a bucket."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source, parse_source

project = Path(__file__).parents[2]
sample_data = project / "sample-data"


def iceberg_jar() -> str:
    """The image has it in SPARK_HOME/extra-jars; elsewhere LAKESTACK_SPARK_JARS names the folder."""
    home = os.environ.get("SPARK_HOME", "/opt/spark")
    folder = Path(os.environ.get("LAKESTACK_SPARK_JARS", f"{home}/extra-jars"))
    jars = sorted(folder.glob("iceberg-spark-runtime-*.jar"))
    assert jars, f"no iceberg-spark-runtime-*.jar in {folder}; name its folder in LAKESTACK_SPARK_JARS"
    return str(jars[0])


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    builder: Any = SparkSession.builder
    settings = {
        "spark.master": "local[2]",
        "spark.driver.extraClassPath": iceberg_jar(),
        # Many small queries: compiling them thoroughly takes longer than running them. There would then be room for
        # 48 MiB of code, which the queries of all tests together fill.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.iceberg": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.iceberg.type": "hadoop",
        "spark.sql.catalog.iceberg.warehouse": str(tmp_path_factory.mktemp("warehouse")),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    session.sparkContext.setLogLevel("FATAL")
    yield session
    session.stop()


@pytest.fixture
def declared() -> dict[str, dict[str, Any]]:
    """What the program renders from sources.yaml; a test there holds the two together."""
    sources = json.loads((Path(__file__).parent / "sources.json").read_text())
    return {source["name"]: source for source in sources}


@pytest.fixture
def media(declared: dict[str, dict[str, Any]], spark: SparkSession) -> Source:
    _drop_tables(spark)
    return parse_source(declared["media"])


@pytest.fixture
def comments(declared: dict[str, dict[str, Any]], spark: SparkSession) -> Source:
    _drop_tables(spark)
    return parse_source(declared["tiktokcomment"])


def _drop_tables(spark: SparkSession) -> None:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS iceberg.newtral")
    for row in spark.sql("SHOW TABLES IN iceberg.newtral").collect():
        spark.sql(f"DROP TABLE iceberg.newtral.{row.tableName} PURGE")


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((sample_data / "MANIFEST.json").read_text())
    return content


@pytest.fixture
def day_of(tmp_path: Path) -> Callable[..., str]:
    """Lays files out as the day 2018-04-01 of a source; returns the source's location."""

    def lay_out(*files: Path, content: dict[str, bytes] | None = None) -> str:
        folder = tmp_path / "bucket" / "Media" / "2018" / "04" / "01"
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        for name, data in (content or {}).items():
            (folder / name).write_bytes(data)
        return f"file://{tmp_path}/bucket/Media/"

    return lay_out


april_1 = Interval(date(2018, 4, 1), date(2018, 4, 2))


def day(year: int, month: int, number: int) -> Interval:
    start = date(year, month, number)
    return Interval(start, start + timedelta(days=1))


def location_of(folder: str) -> str:
    return f"file://{sample_data}/{folder}/"
