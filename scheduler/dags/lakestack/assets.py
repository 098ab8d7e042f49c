"""What other DAGs may wait for: a table that has a new batch, and one whose new batch has passed its checks."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from airflow.sdk import Asset

from lakestack.intervals import Days
from lakestack.sources import Source


def table_asset(source: Source) -> Asset:
    """Of a batch that was committed to the source's table."""
    return Asset(name=source.table, uri=_uri(source.table), group="tables")


def checked_asset(source: Source) -> Asset:
    """Of a batch after which no check of the kind `onFailure: fail` has failed."""
    return Asset(name=f"{source.table} checked", uri=f"{_uri(source.table)}/checked", group="tables")


def _uri(table: str) -> str:
    return f"lakestack://iceberg/{table.replace('.', '/')}"


def batch_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What is told with the asset's event: the batch's days and counts."""
    return {name: result[name] for name in ("start", "end", "run_id", "inserted", "updated") if name in result}


def days_of_events(events: Iterable[Any]) -> Days | None:
    """The days of all batches that events tell of, from the first to the last; None if they tell of none."""
    batches = [event.extra for event in events if "start" in event.extra]
    if not batches:
        return None
    return (
        min(date.fromisoformat(batch["start"]) for batch in batches),
        max(date.fromisoformat(batch["end"]) for batch in batches),
    )
