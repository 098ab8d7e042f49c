"""The declared sources, as the stack's program has checked and rendered them."""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """
    A declared source. `table` is "<namespace>.<table>", `columns` its names and Trino types, in order, `partitioning`
    its partition fields as Trino spells them. A daily run reads `late_days` days before its own again, and is tried
    `retries` times more. Columns of a table that `evolves` may be more, and wider, than the declared ones.
    """

    name: str
    table: str
    columns: dict[str, str]
    partitioning: list[str]
    evolves: bool
    schedule: str
    late_days: int
    retries: int
    owner: str
    start_date: datetime | None


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
                late_days=declared["lateDays"],
                retries=declared["retries"],
                owner=declared.get("owner", "lakestack"),
                start_date=_midnight(declared["startDate"]) if "startDate" in declared else None,
            )
            for declared in json.loads(file.read_text())
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"{file} does not hold the declared sources ({error!r}). It is rendered from sources.yaml: run pulumi up."
        ) from error


def sources_version() -> str:
    """Names the content of the file, in twelve hexadecimal digits."""
    return hashlib.sha256(sources_file().read_bytes()).hexdigest()[:12]


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
