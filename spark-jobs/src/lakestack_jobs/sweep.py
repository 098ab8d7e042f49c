"""
Removes the files that no state of a table needs any more.

Iceberg's own expire_snapshots and remove_orphan_files look at the table as it is now. With Nessie that is one snapshot:
the first would find nothing to expire, and the second would take for orphans what compaction replaced a minute ago,
from under a query that reads it. So the files in use are found from the catalog's history (decision 0028).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import SparkSession

from lakestack_jobs.catalog import load
from lakestack_jobs.committed_files import ENDING, PROPERTY
from lakestack_jobs.job_error import JobError

# What Iceberg's writers leave, and our records of files. Nothing else is ever removed.
_KINDS = (".parquet", ".orc", ".avro", ".puffin", ".stats", ".metadata.json", ".metadata.json.gz", ENDING)
_BATCH = 1000


@dataclass(frozen=True)
class Swept:
    """
    What a sweep did. `files` are those below the table's folder, `in_use` those of them that one of the `states` needs,
    `kept` those that none needs, too young to be judged or of no kind that Iceberg writes, `removed` the others.
    """

    source: str
    table: str
    states: int
    files: int
    in_use: int
    kept: int
    removed: int
    removed_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.table}: {self.files} files, {self.in_use} of them needed by {self.states} states of the table, "
            f"{self.kept} too young to be judged, {self.removed} removed ({self.removed_bytes / 2**20:.1f} MiB)"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def sweep(
    spark: SparkSession, source: str, table: str, metadata: Callable[[], Iterable[str]], written_before: datetime
) -> Swept:
    """
    Removes files below a table's folder which none of its states refers to.

    Args:
        spark: The session.
        source: Name of the declared source.
        table: Name with its catalog.
        metadata: Tells the metadata files of the states that must stay readable. Asked after the table has been loaded,
            so that the current one has to be among them.
        written_before: Files that were written later stay.

    Raises:
        JobError: the current state is not among the states, or its metadata file is not there. Nothing was removed.
    """
    loaded = load(spark, table)
    current = loaded.operations().current().metadataFileLocation()
    # Of a state that an earlier sweep has removed, the history still tells.
    states = [state for state in sorted(set(metadata())) if loaded.io().newInputFile(state).exists()]
    if _place(current) not in map(_place, states):
        raise JobError(
            f"The history of {table}, or the table's folder, lacks the state that readers see ({current}). Is it "
            "another catalog's, or another branch's? Nothing was removed."
        )
    used = {_place(file) for file in _files_of(spark, loaded, states)}
    listed = in_use = kept = freed = 0
    unused = []
    for location, size, written in _list(loaded):
        listed += 1
        if _place(location) in used:
            in_use += 1
        elif written >= written_before.timestamp() * 1000 or not location.endswith(_KINDS):
            kept += 1
        else:
            unused.append(location)
            freed += size
    # A state's metadata first: a state that has it is whole, however this ends.
    _remove(spark, loaded, sorted(unused, key=lambda location: ".metadata.json" not in location))
    return Swept(source, table, len(states), listed, in_use, kept, len(unused), freed)


def _place(location: str) -> str:
    """A file's path without scheme and bucket: one file may be called s3:// or s3a://, on a disk file: or file://."""
    return re.sub(r"^[a-z][a-z0-9+.-]*:(//[^/]*)?", "", location)


def _files_of(spark: SparkSession, loaded: Any, states: Sequence[str]) -> Iterator[str]:  # noqa: ANN401
    """Every file that the states need: their metadata, manifests, data, deletes, statistics and records of files."""
    context: Any = spark.sparkContext
    iceberg, text = context._jvm.org.apache.iceberg, context._jvm.java.lang.String
    io = loaded.io()
    lists, manifests = set(), set()
    for state in states:
        yield state
        metadata = iceberg.TableMetadataParser.read(io, state)
        for statistics in (*metadata.statisticsFiles(), *metadata.partitionStatisticsFiles()):
            yield statistics.path()
        for snapshot in metadata.snapshots():
            manifest_list = snapshot.manifestListLocation()
            if manifest_list in lists:
                continue
            lists.add(manifest_list)
            yield manifest_list
            yield from filter(None, [snapshot.summary().get(PROPERTY)])
            for manifest in snapshot.allManifests(io):
                if manifest.path() in manifests:
                    continue
                manifests.add(manifest.path())
                yield manifest.path()
                # All paths as one text: each call to the JVM takes as long as reading a hundred of them.
                paths = iceberg.ManifestFiles.readPaths(manifest, io, metadata.specsById())
                yield from filter(None, text.join("\n", paths).split("\n"))


def _list(loaded: Any) -> Iterator[tuple[str, int, int]]:  # noqa: ANN401
    """Location, bytes and time of writing (milliseconds since 1970) of each file below the table's folder."""
    files = loaded.io().listPrefix(loaded.location()).iterator()
    while files.hasNext():
        file = files.next()
        yield file.location(), file.size(), file.createdAtMillis()


def _remove(spark: SparkSession, loaded: Any, locations: Sequence[str]) -> None:  # noqa: ANN401
    context: Any = spark.sparkContext
    for start in range(0, len(locations), _BATCH):
        batch = context._jvm.java.util.ArrayList()
        for location in locations[start : start + _BATCH]:
            batch.add(location)
        loaded.io().deleteFiles(batch)
