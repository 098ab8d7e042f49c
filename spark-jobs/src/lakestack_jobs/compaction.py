"""Makes few large files out of many small ones; the rows stay as they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import SparkSession

from lakestack_jobs.catalog import CATALOG, load
from lakestack_jobs.sources import Source
from lakestack_jobs.tables import retry_conflicts


@dataclass(frozen=True)
class Shape:
    """Of what a table consists; `bytes` are those of its data and delete files."""

    files: int
    delete_files: int
    manifests: int
    bytes: int


@dataclass(frozen=True)
class Compacted:
    """What a compaction did."""

    source: str
    table: str
    before: Shape
    after: Shape

    def __str__(self) -> str:
        def told(shape: Shape) -> str:
            deletes = f" and {shape.delete_files} delete files" if shape.delete_files else ""
            return f"{shape.files} files{deletes} ({shape.bytes / 2**20:.1f} MiB) in {shape.manifests} manifests"

        if self.before == self.after:
            return f"{self.table}: nothing to compact, {told(self.after)}"
        return f"{self.table}: {told(self.before)} became {told(self.after)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compact(spark: SparkSession, source: Source) -> Compacted:
    """
    Rewrites small files, and files of which many rows are deleted, into files of the declared size, then the manifests.

    The table's rows stay as they are, and so do the files that older states of the table refer to: readers that have
    begun go on. It commits only if there was something to rewrite. When another commit comes in between, it is done
    again (decision 0028).
    """
    table = f"{CATALOG}.{source.table}"
    before = shape_of(spark, table)
    if before.files:
        if source.maintenance.compaction != "none":
            retry_conflicts(table, lambda: spark.sql(_rewrite_files(source)).collect())
        retry_conflicts(
            table,
            lambda: spark.sql(f"CALL {CATALOG}.system.rewrite_manifests('{source.table}', false)").collect(),
        )
    return Compacted(source.name, table, before, shape_of(spark, table))


def _rewrite_files(source: Source) -> str:
    policy = source.maintenance
    options = {
        "target-file-size-bytes": policy.target_file_mib << 20,
        "min-input-files": policy.small_files,
        # A file with this many delete files beside it is rewritten without the deleted rows, whatever its size.
        "delete-file-threshold": policy.small_files,
        "remove-dangling-deletes": "true",
    }
    listed = ", ".join(f"'{name}', '{value}'" for name, value in options.items())
    how = (
        f"strategy => 'sort', sort_order => '{_order(source.key)}'"
        if policy.compaction == "sort"
        else "strategy => 'binpack'"
    )
    return f"CALL {CATALOG}.system.rewrite_data_files(table => '{source.table}', {how}, options => map({listed}))"


def _order(key: Sequence[str]) -> str:
    return ", ".join(f"`{name}` ASC NULLS FIRST" for name in key)


def shape_of(spark: SparkSession, table: str) -> Shape:
    """Of what the table, as readers see it now, consists."""
    loaded = load(spark, table)
    snapshot = loaded.currentSnapshot()
    if snapshot is None:
        return Shape(0, 0, 0, 0)
    summary = snapshot.summary()

    def count(name: str) -> int:
        return int(summary.get(name) or 0)

    manifests = len(snapshot.allManifests(loaded.io()))
    return Shape(count("total-data-files"), count("total-delete-files"), manifests, count("total-files-size"))
