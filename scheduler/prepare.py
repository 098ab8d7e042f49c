"""Brings Airflow's database up to date and makes its administrator, before the API server starts.

Both steps may run at every start. One process does them all: each `airflow` command would load Airflow anew.
"""

import sys
from pathlib import Path


def main(username: str, password_file: Path) -> None:
    """Migrate the database, then create the administrator or set the password of the one there is."""
    from airflow.utils.db import initdb

    initdb()

    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        password = password_file.read_text(encoding="utf-8").strip()
        user = security.find_user(username=username)
        if user is None:
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
        else:
            security.reset_password(user.id, password)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
