"""Random deliveries and deaths against a plain model: which objects each run of only what is new has to read."""

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lakestack_jobs import ingest as job
from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source

TABLE = "iceberg.newtral.minutes"
TODAY = Interval(date(2018, 4, 2), date(2018, 4, 3))


@dataclass(frozen=True)
class Step:
    """Objects that are delivered, by day and name with their ids, and the run after that, which may be killed."""

    delivered: dict[tuple[int, str], tuple[int, ...]]
    killed: str | None


objects = st.dictionaries(
    st.tuples(st.integers(1, 2), st.sampled_from("abc")), st.lists(st.integers(0, 5), max_size=3).map(tuple), max_size=3
)
steps = st.lists(
    st.builds(Step, objects, st.sampled_from([None, "keys", "record", "merge", "after"])), min_size=2, max_size=4
)


class World:
    """The bucket, and what the model says of the table."""

    def __init__(self, spark: SparkSession, source: Source, folder: Path) -> None:
        self._spark, self._source, self._folder, self._writes = spark, source, folder, 0
        self._there: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
        self._read: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
        self._appended: set[tuple[int, str]] = set()
        self.rows: list[int] = []

    def deliver(self, delivered: dict[tuple[int, str], tuple[int, ...]]) -> None:
        for (day, name), ids in delivered.items():
            self._writes += 1
            file = self._folder / "2018" / "04" / f"{day:02}" / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f'{{"id":"{each}"}}\n' for each in ids))
            os.utime(file, (1_500_000_000 + self._writes,) * 2)
            self._there[day, name] = (self._writes, ids)

    def run(self, run_id: str) -> None:
        result = ingest(self._spark, self._source, TODAY, run_id, late_days=1, only_new=True)
        unread = {name: content for name, content in self._there.items() if self._read.get(name) != content}
        assert (result.files, result.files_before) == (len(unread), len(self._there) - len(unread))
        for name, (_, ids) in unread.items():
            if self._source.key:
                self.rows += {*ids} - {*self.rows}
            elif ids and name not in self._appended:
                self.rows += ids
                self._appended.add(name)
        self._read |= unread


def play(world: World, history: list[Step]) -> None:
    for number, step in enumerate(history):
        world.deliver(step.delivered)
        place = {"keys": "counted_keys", "record": "write_record", "merge": "merge"}.get(step.killed or "")
        if place is not None:
            with pytest.MonkeyPatch.context() as patch, pytest.raises(ConnectionError):
                patch.setattr(job, place, _die)
                world.run(f"r{number}")
                raise ConnectionError("there was nothing to read")
        if step.killed != "merge":
            world.run(f"r{number}")
        if step.killed == "after":
            world.run(f"r{number}")
    world.run("last")


def _die(*_: object, **__: object) -> None:
    raise ConnectionError("killed")


@pytest.mark.parametrize("way", ["insert", "append"])
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(history=steps)
def test_every_object_is_read_once(spark: SparkSession, media: Source, way: str, history: list[Step]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lakestack-minutes-"))
    source = replace(
        media,
        location=f"file://{folder}/",
        table="newtral.minutes",
        key=media.key if way == "insert" else (),
        on_existing_key=way,
        skips_empty=True,
    )
    folder.joinpath("2018").mkdir()
    try:
        spark.sql(f"DROP TABLE IF EXISTS {TABLE} PURGE")
        world = World(spark, source, folder)
        play(world, history)
        assert sorted(int(row.id) for row in spark.table(TABLE).collect()) == sorted(world.rows)
    finally:
        shutil.rmtree(folder)
