"""What is done in Airflow, from its own log to the audit log."""

import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import sqlalchemy

Action = Mapping[str, Any]

# Airflow's log, which its page shows as the audit log. Tasks are not given the database by Airflow; the scheduler, in
# which they run, has its address as a file.
_LOG = sqlalchemy.table(
    "log",
    sqlalchemy.column("dttm", sqlalchemy.DateTime(timezone=True)),
    *(sqlalchemy.column(name) for name in ("id", "owner", "event", "dag_id", "task_id", "run_id", "extra")),
)
_AT_ONCE = 500
_SECONDS = 30


def actions_since(database: str, since: datetime) -> Iterator[Action]:
    """
    Reads what has been done since a time.

    Args:
        database: URL of Airflow's database.
        since: With a time zone.

    Yields:
        Each with `id`, `time` and what is known of it.
    """
    engine = sqlalchemy.create_engine(database, poolclass=sqlalchemy.pool.NullPool)
    wanted = sqlalchemy.select(_LOG).where(_LOG.c.dttm >= since).order_by(_LOG.c.id)
    with engine.connect() as connection:
        for row in connection.execution_options(stream_results=True).execute(wanted):
            yield {
                "id": row.id,
                "time": row.dttm.astimezone(UTC).isoformat(),
                "user_name": row.owner,
                "action": row.event,
                "dag_id": row.dag_id,
                "task_id": row.task_id,
                "run_id": row.run_id,
                "details": row.extra,
            }


def tell(url: str, token_file: Path, actions: Iterable[Action]) -> int:
    """
    Tells the keeper of the audit log. Told again, an action is still one row of the table.

    Returns:
        How many.

    Raises:
        OSError: the keeper has not taken them.
    """
    token = token_file.read_text(encoding="utf-8").strip()
    told = 0
    for some in batched(actions, _AT_ONCE):
        _post(url, token, some)
        told += len(some)
    return told


def _post(url: str, token: str, actions: Sequence[Action]) -> None:
    body = "".join(f"{json.dumps(action)}\n" for action in actions).encode()
    request = urllib.request.Request(url, body, {"authorization": f"Bearer {token}"}, method="POST")
    with urllib.request.urlopen(request, timeout=_SECONDS):
        pass
