"""Random histories of batches against a plain model: what the table must hold whatever is repeated, late or killed."""

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lakestack_jobs import ingest as job
from lakestack_jobs import tables
from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Column, Source

TABLE = "iceberg.newtral.model"
COLUMNS = (Column("shop", "string"), Column("n", "bigint"), Column("v", "bigint"), Column("text", "string"))


class Row(NamedTuple):
    """A row as it stands in a file."""

    shop: str
    n: int
    v: int
    text: str


@dataclass(frozen=True)
class Step:
    """A run of a day, or of two days at once; it may be killed before or after its commit, and is then tried again."""

    day: int
    days: int
    killed: str | None


@dataclass(frozen=True)
class History:
    """Files by day and name, and the runs that read them."""

    files: dict[tuple[int, str], list[Row]]
    steps: list[Step]


rows = st.builds(Row, st.sampled_from("xy"), st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab"))
histories = st.builds(
    History,
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.sampled_from(["p1", "p2"])), st.lists(rows, max_size=6), min_size=1, max_size=5
    ),
    st.lists(
        st.builds(Step, st.integers(1, 3), st.integers(1, 2), st.sampled_from([None, None, "before", "after"])),
        min_size=1,
        max_size=4,
    ),
)


def delivered(history: History, step: Step) -> Iterable[tuple[str, Row]]:
    """The rows of a run in the order in which they count: by object, and inside it as JSON."""
    for (day, name), content in sorted(history.files.items()):
        if step.day <= day < step.day + step.days:
            for row in sorted(content, key=line):
                yield f"{day}/{name}", row


def line(row: Row) -> str:
    return json.dumps(row._asdict())


def expected(history: History, way: str) -> list[Row]:
    """The model: a dictionary, and for appends a list."""
    table: dict[Any, Row] = {}
    appended: dict[str, list[Row]] = {}
    for step in history.steps:
        batch: dict[Any, Row] = {}
        read: dict[str, list[Row]] = {}
        for file, row in delivered(history, step):
            key = (row.shop, row.n)
            read.setdefault(file, []).append(row)
            if key not in batch or (way == "upsert" and row.v > batch[key].v):
                batch[key] = row
        for key, row in batch.items():
            if key not in table or (way == "upsert" and row.v > table[key].v):
                table[key] = row
        for file, content in read.items():
            appended.setdefault(file, content)
    return (
        sorted(row for content in appended.values() for row in content) if way == "append" else sorted(table.values())
    )


def source_of(media: Source, way: str, folder: Path) -> Source:
    return replace(
        media,
        name="model",
        location=f"file://{folder}/",
        table="newtral.model",
        columns=COLUMNS,
        key=() if way == "append" else ("shop", "n"),
        on_existing_key=way,
        version="v" if way == "upsert" else None,
        skips_empty=True,
    )


def play(spark: SparkSession, source: Source, history: History, folder: Path) -> None:
    for (day, name), content in history.files.items():
        place = folder / "2018" / "04" / f"{day:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.json").write_text("\n".join(map(line, content)))
    for number, step in enumerate(history.steps):
        interval = Interval(date(2018, 4, step.day), date(2018, 4, step.day + step.days))
        if step.killed == "before":
            with pytest.MonkeyPatch.context() as patch, pytest.raises(ConnectionError):
                patch.setattr(job, "table_rows", _die)
                ingest(spark, source, interval, f"r{number}")
                raise ConnectionError("there was nothing to commit")
        ingest(spark, source, interval, f"r{number}")
        if step.killed == "after":
            again = ingest(spark, source, interval, f"r{number}")
            assert again.committed_before or again.inserted == again.updated == 0


def _die(*_: object) -> None:
    raise ConnectionError("killed")


@pytest.mark.parametrize("reader", ["Spark", "Arrow"])
@pytest.mark.parametrize("way", ["insert", "upsert", "append"])
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(history=histories)
def test_any_history_ends_as_the_model_says(
    spark: SparkSession, media: Source, way: str, reader: str, history: History
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lakestack-model-"))
    try:
        spark.sql(f"DROP TABLE IF EXISTS {TABLE} PURGE")
        with pytest.MonkeyPatch.context() as patch:
            # As if the table were so large that Arrow reads its keys.
            patch.setattr(tables, "_VERY_LARGE", 1 if reader == "Arrow" else tables._VERY_LARGE)
            play(spark, source_of(media, way, folder), history, folder)
        found = spark.table(TABLE).select("shop", "n", "v", "text").collect()
        assert sorted(Row(*row) for row in found) == expected(history, way)
    finally:
        shutil.rmtree(folder)
