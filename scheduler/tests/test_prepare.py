"""The preparation, on the tests' own database."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import prepare
from cryptography.fernet import Fernet

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
    former = tmp_path / "fernet-key"
    former.write_text("# None.\n")
    prepare.main("admin", password, former)
    subprocess.run(["airflow", "dags", "reserialize"], check=True, capture_output=True)
    assert requests() == 0, "at the first start the DAG runs by itself"

    password.write_text("second\n")
    prepare.main("admin", password, former)
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


def test_what_airflow_keeps_is_encrypted_anew_with_the_present_key(tmp_path: Path) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db"}

    def run(key: str, *command: str) -> str:
        # A process for each: Airflow reads its key once.
        result = subprocess.run(
            command, env={**environment, "AIRFLOW__CORE__FERNET_KEY": key}, check=True, capture_output=True, text=True
        )
        return result.stdout

    password = tmp_path / "password"
    password.write_text("first\n")
    former = tmp_path / "fernet-key"

    def prepare_with(key: str, former_key: str) -> None:
        former.write_text(f"{former_key}\n")
        run(key, sys.executable, prepare.__file__, "admin", str(password), str(former))

    prepare_with(old, "# None.")
    run(old, "airflow", "variables", "set", "mine", "precious")
    run(old, "airflow", "connections", "add", "partner", "--conn-type", "generic", "--conn-password", "sesame")
    # The second time, as after an interruption, all is under the new key already.
    prepare_with(new, old)
    prepare_with(new, old)
    assert run(new, "airflow", "variables", "get", "mine").endswith("precious\n")
    assert '"password": "sesame"' in run(new, "airflow", "connections", "get", "partner", "-o", "json")
