"""Which run made a snapshot: written into its summary, and looked for before the work is done again."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import SparkSession

from lakestack_jobs.catalog import history, load
from lakestack_jobs.objects import Interval, Object

_PREFIX = "lakestack."
_BATCH = f"{_PREFIX}batch"


@dataclass(frozen=True)
class Identity:
    """
    A run's batch. `batch` names the objects that it read, so that a run that is started again after files have been
    added or replaced is another batch, and does its work.
    """

    source: str
    interval: Interval
    run_id: str
    batch: str

    def properties(self) -> dict[str, str]:
        """For the snapshot's summary."""
        return {
            "lakestack.source": self.source,
            "lakestack.interval": str(self.interval),
            "lakestack.run-id": self.run_id,
            _BATCH: self.batch,
        }


@dataclass(frozen=True)
class Commit:
    """A snapshot that a batch has made; `counts` are those of its summary, for example `rows-read`."""

    snapshot: int
    counts: Mapping[str, int]


def batch_name(objects: Iterable[Object]) -> str:
    """The same for the same objects: names, sizes and times of writing."""
    lines = sorted(f"{entry.path}\t{entry.size}\t{entry.modified}\n" for entry in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def count_properties(**counts: int) -> dict[str, str]:
    """Counts for the snapshot's summary: `rows_read=5` is `lakestack.rows-read`."""
    return {f"{_PREFIX}{name.replace('_', '-')}": str(count) for name, count in counts.items()}


def find_commit(spark: SparkSession, table: str, identity: Identity, *, any_batch: bool = False) -> Commit | None:
    """
    Looks through the table's history for a snapshot of this batch by this run: of a task that died after its commit and
    is tried again.

    Expired snapshots are not found. Nothing is lost then: the keys in the table still keep rows from coming twice.

    Args:
        spark: The session.
        table: Name with its catalog.
        identity: Of the run.
        any_batch: Takes whatever the run has read in its interval for its batch.
    """
    named = identity.properties()
    wanted = {name: value for name, value in named.items() if not (any_batch and name == _BATCH)}
    for snapshot in history(load(spark, table)):
        # One question a snapshot: each is a round trip to the JVM.
        if snapshot.summary().get("lakestack.run-id") != identity.run_id:
            continue
        summary = dict(snapshot.summary())
        if all(summary.get(name) == value for name, value in wanted.items()):
            counts = {
                name.removeprefix(_PREFIX): int(value)
                for name, value in summary.items()
                if name.startswith(_PREFIX) and name not in named and value.isdigit()
            }
            if "rows-inserted" not in counts:
                # A MERGE statement: what it did is known only to the snapshot that it made.
                counts["rows-updated"] = int(summary.get("added-position-deletes", "0"))
                counts["rows-inserted"] = int(summary.get("added-records", "0")) - counts["rows-updated"]
            return Commit(int(snapshot.snapshotId()), counts)
    return None
