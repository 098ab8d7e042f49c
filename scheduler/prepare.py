"""
Brings Airflow's database up to date and under the present Fernet key, makes its administrator and pools, and asks for
the tables of changed sources.

Runs before the API server, at every start. One process does it all: each `airflow` command would load Airflow anew.
"""

import os
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from airflow.configuration import conf
from airflow.utils.db import initdb

SOURCES_VARIABLE = "lakestack_sources"


def main(username: str, password_file: Path, former_key_file: Path) -> None:
    """Does each step; all of them may be done again."""
    former_key = read_key(former_key_file)
    if former_key is not None:
        # The present key is the first, which encrypts; both decrypt. Airflow reads them once, so this comes first.
        os.environ["AIRFLOW__CORE__FERNET_KEY"] = f"{conf.get_mandatory_value('core', 'fernet_key')},{former_key}"
    initdb()
    if former_key is not None:
        encrypt_anew()
    ensure_administrator(username, password_file.read_text(encoding="utf-8").strip())
    sys.path.append(conf.get("core", "dags_folder"))
    ensure_pools()
    request_tables()


def read_key(file: Path) -> str | None:
    """The key in a file, or None where it holds a comment only."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return next((line for line in lines if line and not line.startswith("#")), None)


def encrypt_anew() -> None:
    """Encrypts connections, variables and triggers with the present Fernet key, if they were under the former one."""
    from airflow.cli.commands.rotate_fernet_key_command import rotate_fernet_key

    rotate_fernet_key(Namespace())
    print("Encrypted what Airflow keeps with its present Fernet key", flush=True)


def ensure_administrator(username: str, password: str) -> None:
    """Creates the administrator, or sets the password of the one there is."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        user = security.find_user(username=username)
        if user is not None:
            security.reset_password(user.id, password)
            return
        added = security.add_user(
            username=username,
            first_name="Lakestack",
            last_name="Administrator",
            email=f"{username}@localhost",
            role=security.find_role("Admin"),
            password=password,
        )
        if not added:
            sys.exit(f"Airflow's administrator {username} could not be added: see the lines above")


def ensure_pools() -> None:
    """Makes the pool of every source as large as it is declared. One of a source that is gone stays: nobody uses it."""
    from airflow.models.pool import Pool

    from lakestack.sources import load_sources

    for source in load_sources():
        Pool.create_or_update_pool(
            source.pool,
            slots=source.parallel_jobs,
            description=f"Jobs on {source.table}: each batch takes one place, compaction all of them",
            include_deferred=False,
        )


def request_tables() -> None:
    """
    Triggers create_tables when the sources have changed since the last start. At the first start the DAG is not known
    yet; it then runs by itself.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagNotFound, DagRunAlreadyExists
    from airflow.models.variable import Variable
    from airflow.utils.types import DagRunTriggeredByType

    from lakestack.sources import sources_version

    version = sources_version()
    if Variable.get(SOURCES_VARIABLE, default_var=None) == version:
        return
    # A run of this name is there when sources are declared again as they were before: their tables are there, too.
    with suppress(DagNotFound, DagRunAlreadyExists):
        trigger_dag(
            "create_tables",
            run_id=f"sources-{version}",
            conf={"sources": version},
            triggered_by=DagRunTriggeredByType.CLI,
        )
    Variable.set(SOURCES_VARIABLE, version, description="Content of the sources at the last start of Airflow")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
