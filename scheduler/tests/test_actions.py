"""What was done in Airflow, as the audit log is told it, with servers in place of the database and the keeper."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError

import pytest

from lakestack.actions import actions_since, tell
from receiver import Receiver


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("a token\n")
    return file


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A database with the columns of Airflow's log that are read."""
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        database.execute(
            "CREATE TABLE log (id INTEGER, dttm TIMESTAMP, owner TEXT, event TEXT, dag_id TEXT, task_id TEXT, "
            "run_id TEXT, extra TEXT)"
        )
        database.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, NULL, ?, ?)",
            [
                (1, "2026-11-28 09:00:00.000000", "admin", "login", None, None, None),
                (2, "2026-11-29 09:00:00.000000", "admin", "trigger_dag_run", "media", "by-hand", '{"conf": {}}'),
                (3, "2026-11-29 09:00:01.500000", "airflow", "running", "media", "by-hand", None),
            ],
        )
    return f"sqlite:///{tmp_path}/airflow.db"


def test_what_was_done_since_a_time_is_read_with_who_and_what(log: str) -> None:
    found = list(actions_since(log, datetime(2026, 11, 29, tzinfo=UTC)))
    assert [(action["id"], action["user_name"], action["action"]) for action in found] == [
        (2, "admin", "trigger_dag_run"),
        (3, "airflow", "running"),
    ]
    assert found[0] == {
        "id": 2,
        "time": "2026-11-29T09:00:00+00:00",
        "user_name": "admin",
        "action": "trigger_dag_run",
        "dag_id": "media",
        "task_id": None,
        "run_id": "by-hand",
        "details": '{"conf": {}}',
    }


def test_it_is_told_some_hundred_at_a_time(receiver: Receiver, token: Path) -> None:
    assert tell(receiver.url, token, [{"id": number} for number in range(1001)]) == 1001
    assert [len([json.loads(line) for line in body.splitlines()]) for _, _, body, _ in receiver.taken] == [500, 500, 1]
    assert {request.authorization for request in receiver.taken} == {"Bearer a token"}


def test_nothing_is_told_of_nothing(receiver: Receiver, token: Path) -> None:
    assert tell(receiver.url, token, []) == 0
    assert receiver.taken == []


def test_a_keeper_that_does_not_take_it_fails_the_task(receiver: Receiver, token: Path) -> None:
    receiver.status = 503
    with pytest.raises(HTTPError, match="503"):
        tell(receiver.url, token, [{"id": 1}])
