"""The preparation, on a database of the tests' own, as the API server's container runs it."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conftest import project


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tables_are_asked_for_once_per_content_of_the_sources(
    declare: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    declare()
    password = tmp_path / "password"
    password.write_text("first\n")

    def prepare() -> None:
        run(sys.executable, str(project / "scheduler" / "prepare.py"), "admin", str(password))

    def select(sql: str) -> int:
        with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
            return int(database.execute(sql).fetchone()[0])

    def requests() -> int:
        return select("SELECT count(*) FROM dag_run WHERE dag_id = 'create_tables' AND run_id LIKE 'sources-%'")

    prepare()
    run("airflow", "dags", "reserialize")
    assert requests() == 0, "at the first start the DAG runs by itself"
    password.write_text("second\n")
    prepare()
    prepare()
    assert requests() == 1
    declare({"name": "podcasts", "table": "newtral.podcasts"})
    prepare()
    assert requests() == 2
    assert select("SELECT count(*) FROM ab_user WHERE username = 'admin'") == 1
