"""What a run did, for its log, its caller and the snapshot's summary."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lakestack_jobs.identity import Commit


@dataclass(frozen=True)
class Result:
    """
    What a run did.

    `read` is the sum of `duplicates` (more of a key inside the batch), `already_present` (in the table before, and left
    as it was), `inserted`, `updated` (a newer version of a row in the table) and `rejected` (lines that are no rows).
    `quarantined` are the entries that this run added to the quarantine table: rejected lines and damaged files that
    were not there yet. `undeclared` are the fields that no column takes, with their types: their values are kept in
    `<table>_undeclared`. `evolved` says how the table was changed for this batch. `committed_before`: the run had
    committed and is tried again; it adds nothing, and the counts are those of its commit.
    """

    source: str
    table: str
    start: str
    end: str
    run_id: str
    files: int
    read: int
    duplicates: int
    already_present: int
    inserted: int
    updated: int
    rejected: int
    damaged_files: int
    quarantined: int
    undeclared: dict[str, str]
    evolved: list[str]
    committed_before: bool
    seconds: float

    def __str__(self) -> str:
        damaged = f", {self.damaged_files} damaged files" if self.damaged_files else ""
        updated = f"{self.updated} updated, " if self.updated else ""
        others = ", ".join(f"{name} ({kind or 'null'})" for name, kind in self.undeclared.items())
        notes = "".join(f"; {change}" for change in self.evolved)
        notes += f"; not declared, and kept in {self.table}_undeclared: {others}" if others else ""
        before = "this run has committed before, and adds nothing now; then " if self.committed_before else ""
        return (
            f"{self.source} {self.start}..{self.end}: {before}{self.read} rows read from {self.files} files, "
            f"{self.duplicates} duplicates inside the batch, {self.already_present} already present, "
            f"{self.inserted} inserted, {updated}{self.rejected} rejected{damaged}{notes} ({self.seconds:.1f} s)"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """The part of a result that the batch's data decide."""

    read: int = 0
    duplicates: int = 0
    rejected: int = 0
    damaged_files: int = 0
    quarantined: int = 0
    already_present: int = 0
    inserted: int = 0
    updated: int = 0
    undeclared: dict[str, str] = field(default_factory=dict)
    evolved: list[str] = field(default_factory=list)
    committed_before: bool = False

    @classmethod
    def of(cls, commit: Commit) -> "Outcome":
        """What a run has done that committed and lost its result."""
        counts: dict[str, Any] = {
            each.name: commit.counts.get(_property(each.name), 0) for each in fields(cls) if each.type is int
        }
        return cls(**counts, committed_before=True)


def as_properties(done: Mapping[str, int]) -> dict[str, str]:
    """Counts of an outcome for the snapshot's summary: `read` is `lakestack.rows-read`."""
    return {f"lakestack.{_property(name)}": str(count) for name, count in done.items()}


def _property(name: str) -> str:
    """What a count is called in a snapshot's summary, without `lakestack.`."""
    return (name if name in ("damaged_files", "quarantined") else f"rows_{name}").replace("_", "-")
