"""The declared sources, as the stack's program has checked and rendered them."""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Check:
    """
    What must be true of a table. `kind` is notNull, unique, range, freshness or rowCount. With rowCount `least` and
    `most` are per cent of the `days` before. One that `fails` fails the run of the checks; one that `blocks` keeps the
    batch from readers.
    """

    kind: str
    columns: tuple[str, ...]
    least: float | None
    most: float | None
    hours: float | None
    days: int
    fails: bool
    blocks: bool = False


@dataclass(frozen=True)
class Source:
    """
    A declared source. `table` is "<namespace>.<table>", `columns` its names and Trino types, in order,
    `partitioning` its partition fields as Trino spells them. A run by the `schedule` looks at `late_days` days
    before its own as well, and is tried `retries` times more; of a source that is `incremental` it comes every some
    minutes, and reads only what the table does not have yet. Where it is `switched_on`, that pipeline needs nobody
    to switch it on. Columns of a table that `evolves` may be more, and wider, than the declared ones. A job takes
    `cores` of the cluster; one that takes longer than `timeout` is ended. `folder` is what comes before a day's
    folder, named by `dates`, in the addresses of the source's objects.
    """

    name: str
    table: str
    columns: dict[str, str]
    partitioning: list[str]
    evolves: bool
    schedule: str
    incremental: bool
    switched_on: bool
    late_days: int
    retries: int
    timeout: timedelta
    parallel_jobs: int
    cores: int
    owner: str
    start_date: datetime | None
    folder: str
    dates: str
    maintenance_schedule: str
    keep_days: float
    orphan_days: float
    analyzes: bool
    checks: tuple[Check, ...]

    @property
    def pool(self) -> str:
        """The pool of all jobs that work on the source's table."""
        return f"source_{self.name}"

    @property
    def blocks(self) -> bool:
        """Whether a batch is checked before readers see it."""
        return any(check.blocks for check in self.checks)

    @property
    def checked_afterwards(self) -> bool:
        """Whether a batch is checked once readers see it."""
        return any(not check.blocks for check in self.checks)


def sources_file() -> Path:
    """$LAKESTACK_SOURCES, else where the program puts the file."""
    return Path(os.environ.get("LAKESTACK_SOURCES", "/opt/lakestack/sources.json"))


def load_sources() -> list[Source]:
    """
    Reads the declared sources.

    Raises:
        RuntimeError: the file is not there or does not hold sources.
    """
    file = sources_file()
    try:
        return [
            Source(
                name=declared["name"],
                table=declared["table"],
                columns={column["name"]: column["type"] for column in declared["columns"] + declared["lineage"]},
                partitioning=[part["field"] for part in declared["partitioning"]],
                evolves=declared["evolve"],
                schedule=declared["schedule"],
                incremental=declared["incremental"],
                switched_on=declared["switchedOn"],
                late_days=declared["lateDays"],
                retries=declared["retries"],
                timeout=timedelta(minutes=declared["timeoutMinutes"]),
                parallel_jobs=declared["parallelJobs"],
                cores=declared["cores"],
                owner=declared.get("owner", "lakestack"),
                start_date=_midnight(declared["startDate"]) if "startDate" in declared else None,
                folder=f"s3a://{declared['bucket']}/{declared['prefix']}",
                dates=declared["dates"],
                maintenance_schedule=declared["maintenance"]["schedule"],
                keep_days=declared["maintenance"]["keepDays"],
                orphan_days=declared["maintenance"]["orphanDays"],
                analyzes=declared["maintenance"]["analyze"],
                checks=tuple(_check(check) for check in declared["checks"]),
            )
            for declared in json.loads(file.read_text())
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"{file} does not hold the declared sources ({error!r}). It is rendered from sources.yaml: run pulumi up."
        ) from error


def _check(declared: dict[str, Any]) -> Check:
    return Check(
        kind=declared["check"],
        columns=tuple(declared.get("columns", [])),
        least=declared.get("least"),
        most=declared.get("most"),
        hours=declared.get("hours"),
        days=declared.get("days", 7),
        fails=declared["onFailure"] == "fail",
        blocks=declared["onFailure"] == "block",
    )


def sources_version() -> str:
    """Names the content of the file, in twelve hexadecimal digits."""
    return hashlib.sha256(sources_file().read_bytes()).hexdigest()[:12]


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
