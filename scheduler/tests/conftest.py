"""An Airflow home of the tests' own, with a database, before anything imports Airflow."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from receiver import Receiver

project = Path(__file__).parents[2]
dags = project / "scheduler" / "dags"
sources = project / "spark-jobs" / "tests" / "sources.json"

home = tempfile.TemporaryDirectory(prefix="lakestack-airflow-")
os.environ.update(
    AIRFLOW_HOME=home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(dags),
    AIRFLOW__CORE__LOAD_EXAMPLES="false",
    AIRFLOW__CORE__UNIT_TEST_MODE="false",
    AIRFLOW__CORE__AUTH_MANAGER="airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home.name}/airflow.db",
    LAKESTACK_SOURCES=str(sources),
)


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Declares the project's sources, with others added or one of them changed."""

    def write(*others: dict[str, Any], **changes: Any) -> Path:  # noqa: ANN401
        declared = json.loads(sources.read_text())
        declared[0].update(changes)
        declared.extend({**declared[0], **other} for other in others)
        file = tmp_path / "sources.json"
        file.write_text(json.dumps(declared))
        monkeypatch.setenv("LAKESTACK_SOURCES", str(file))
        return file

    return write


@pytest.fixture
def spark_submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Path]:
    """A spark-submit that prints and exits as told; returns the file that its arguments are written to."""

    def install(output: str, code: int) -> Path:
        (tmp_path / "output").write_text(output)
        script = tmp_path / "spark-submit"
        script.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat {tmp_path}/output\nexit {code}\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path / "arguments"

    return install


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Something over HTTP that takes what it is told."""
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
