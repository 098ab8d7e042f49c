"""The DAG that replays a quarantine, and its task around a spark-submit that prints what the job prints."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import ParamValidationError

from conftest import dags
from lakestack.assets import table_asset
from lakestack.replay import ReplayOperator
from lakestack.sources import load_sources

Submit = Callable[[str, int], Path]
media = load_sources()[0]
everything = {"reason": None, "day": None, "repaired": False, "discard": False}


@pytest.fixture
def submitted(spark_submit: Submit, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs the task with parameters; returns the arguments of the job."""
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))

    def run(**params: Any) -> list[str]:  # noqa: ANN401
        arguments = spark_submit('LAKESTACK_RESULT {"inserted": 1}\n', 0)
        task = ReplayOperator(task_id="replay", source=media)
        task.execute({"run_id": "replay-1", "params": {**everything, **params}})
        given = arguments.read_text().splitlines()
        return given[given.index("replay") :]

    return run


def test_without_parameters_all_open_entries_are_tried(submitted: Callable[..., list[str]]) -> None:
    assert submitted() == ["replay", "--cores", "1", "--source", "media", "--run-id", "replay-1"]


def test_parameters_choose_entries(submitted: Callable[..., list[str]]) -> None:
    chosen = submitted(reason="--column price", day="2018-04-16", repaired=True, discard=True)[7:]
    assert chosen == ["--reason=--column price", "--day=2018-04-16", "--repaired", "--discard"]


def test_those_who_wait_for_the_table_are_told_of_the_days_of_its_new_rows(
    spark_submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
    spark_submit('LAKESTACK_RESULT {"start": "2018-04-16", "end": "2018-04-17", "inserted": 1, "left": 2}\n', 0)
    asset = table_asset(media)
    events = {asset: SimpleNamespace(extra={})}
    task = ReplayOperator(task_id="replay", source=media, outlets=[asset])
    task.execute({"run_id": "r", "params": everything, "outlet_events": events})
    assert events[asset].extra == {"start": "2018-04-16", "end": "2018-04-17", "inserted": 1}


def test_each_source_has_a_replay_that_waits_to_be_asked() -> None:
    dag = BundleDagBag(dag_folder=str(dags), bundle_path=dags, bundle_name="dags").dags["replay_media"]
    assert (dag.is_paused_upon_creation, dag.catchup, dag.max_active_runs) == (False, False, 1)
    [task] = dag.tasks
    assert (task.task_id, task.pool, [asset.name for asset in task.outlets]) == (
        "replay",
        "source_media",
        ["newtral.media"],
    )
    dag.params.validate()
    assert dag.params.get_param("day").resolve("2018-04-16") == "2018-04-16"
    for day in ("2018-04", "yesterday"):
        with pytest.raises(ParamValidationError):
            dag.params.get_param("day").resolve(day)
