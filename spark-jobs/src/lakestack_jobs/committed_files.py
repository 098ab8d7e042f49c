"""
Which objects a table has taken in, so that a run reads only what has come since.

The record is a file among the table's metadata. The summary of the snapshot that took the objects in names it, so one
commit makes rows and record known, or neither; and whatever becomes of the table becomes of its record (decision 0027).
"""

import gzip
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pyspark.sql import SparkSession

from lakestack_jobs.catalog import history, load
from lakestack_jobs.nessie import recent_states
from lakestack_jobs.objects import Object

PROPERTY = "lakestack.files"
ENDING = ".files.json.gz"

# Commits of others, compaction for one, name no record. So many of them may have come since the last batch.
_STATES = 50
# Folders beyond those that a run looks at, for somebody may go through old days at the same time.
_MORE_FOLDERS = 7


@dataclass(frozen=True)
class Record:
    """
    `folders` has the names of the objects whose rows are in the table, with the mark of each; the folder from which
    something was read last is the last one, and no more than `most` are kept.
    """

    most: int
    folders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def unread(self, objects: Iterable[Object]) -> list[Object]:
        """Those that are not in the table, or not with the content that they have now."""
        return [entry for entry in objects if self._mark(entry) != entry.mark]

    def replaced(self, objects: Iterable[Object]) -> list[str]:
        """Paths of those that are in the table with another content."""
        return [entry.path for entry in objects if self._mark(entry) not in (None, entry.mark)]

    def extended(self, objects: Iterable[Object]) -> "Record":
        """The record once these are in the table as well."""
        read: dict[str, dict[str, str]] = {}
        for entry in objects:
            read.setdefault(entry.folder, {})[entry.name] = entry.mark
        folders = {folder: marks for folder, marks in self.folders.items() if folder not in read}
        folders |= {folder: {**self.folders.get(folder, {}), **marks} for folder, marks in read.items()}
        return replace(self, folders=dict(list(folders.items())[-self.most :]))

    def _mark(self, entry: Object) -> str | None:
        return self.folders.get(entry.folder, {}).get(entry.name)


def read_record(spark: SparkSession, table: str, days: int) -> Record:
    """
    Reads a table's record.

    It never names an object whose rows have not been there. Where it can't be found, it is empty: objects are then read
    again, which adds nothing.

    Args:
        spark: The session.
        table: Name with its catalog.
        days: How many days' folders a run looks at.
    """
    loaded = load(spark, table)
    empty = Record(days + _MORE_FOLDERS)
    for summary in islice(_summaries(spark, table, loaded), _STATES):
        location = summary.get(PROPERTY)
        if location is not None:
            file = loaded.io().newInputFile(location)
            if not file.exists():
                print(f"{table}: its record of files, {location}, is gone; all are read again", flush=True)
                return empty
            return replace(empty, folders=_content(file))
    return empty


def write_record(spark: SparkSession, table: str, record: Record) -> str:
    """Writes a record, which is in force once a snapshot's summary names it; returns what to name."""
    loaded = load(spark, table)
    location: str = loaded.operations().metadataFileLocation(f"{uuid.uuid4()}{ENDING}")
    stream = loaded.io().newOutputFile(location).create()
    try:
        stream.write(bytearray(gzip.compress(json.dumps({"folders": record.folders}).encode())))
    finally:
        stream.close()
    return location


def _content(file: Any) -> Mapping[str, Mapping[str, str]]:  # noqa: ANN401
    stream = file.newStream()
    try:
        folders: dict[str, dict[str, str]] = json.loads(gzip.decompress(bytes(stream.readAllBytes())))["folders"]
        return folders
    finally:
        stream.close()


def _summaries(spark: SparkSession, table: str, loaded: Any) -> Iterator[Any]:  # noqa: ANN401
    """What the commits that led to what readers see say of themselves, newest first."""
    if loaded.currentSnapshot() is None:
        return
    for snapshot in history(loaded):
        yield snapshot.summary()
    # Nessie shows the current snapshot alone. Those before it are in its own history.
    context: Any = spark.sparkContext
    parser, own = context._jvm.org.apache.iceberg.TableMetadataParser, loaded.operations().current().uuid()
    for state in recent_states(spark, table.partition(".")[2]):
        if not loaded.io().newInputFile(state.metadata).exists():
            return
        metadata = parser.read(loaded.io(), state.metadata)
        # A table of this name that was dropped, or one before it was emptied: those rows are not in this one.
        if metadata.uuid() != own or metadata.currentSnapshot() is None:
            return
        yield metadata.currentSnapshot().summary()
