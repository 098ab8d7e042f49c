"""The preparation, on the tests' own database."""

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import prepare

from conftest import home


def select(sql: str) -> int:
    with closing(sqlite3.connect(Path(home.name) / "airflow.db")) as database:
        return int(database.execute(sql).fetchone()[0])


def requests() -> int:
    return select("SELECT count(*) FROM dag_run WHERE dag_id = 'create_tables' AND run_id LIKE 'sources-%'")


def test_tables_are_asked_for_once_per_content_of_the_sources(declare: Callable[..., Path], tmp_path: Path) -> None:
    declare()
    password = tmp_path / "password"
    password.write_text("first\n")
    prepare.main("admin", password)
    subprocess.run(["airflow", "dags", "reserialize"], check=True, capture_output=True)
    assert requests() == 0, "at the first start the DAG runs by itself"

    password.write_text("second\n")
    prepare.main("admin", password)
    assert requests() == 0, "the sources are what they were"
    declare({"name": "podcasts", "table": "newtral.podcasts"})
    prepare.request_tables()
    prepare.request_tables()
    assert requests() == 1
    assert select("SELECT count(*) FROM ab_user WHERE username = 'admin'") == 1


def test_pools_are_as_large_as_the_sources_declare(declare: Callable[..., Path]) -> None:
    subprocess.run(["airflow", "db", "migrate"], check=True, capture_output=True)
    for slots in (2, 6):
        declare(parallelJobs=slots)
        prepare.ensure_pools()
        assert select("SELECT slots FROM slot_pool WHERE pool = 'source_media'") == slots
    assert select("SELECT slots FROM slot_pool WHERE pool = 'source_tiktokcomment'") == 4
