"""What is told of a job's lineage, with a script in place of spark-submit and a server in place of the object store."""

import itertools
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lakestack.ingest import IngestOperator
from lakestack.intervals import days_of_month
from lakestack.sources import load_sources
from lakestack_lineage import BucketConfig, BucketTransport
from receiver import Receiver

Submit = Callable[[str, int], Path]
EVENTS = ['{"eventType": "START"}', '{"eventType": "COMPLETE"}']


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"user": "lineage", "key": "not to be seen"}))
    return file


def transport_to(url: str, keys: Path) -> dict[str, Any]:
    """As the program renders it for the bucket."""
    return {
        "type": "lakestack_lineage.BucketTransport",
        "bucket": "lineage",
        "region": "us-east-1",
        "path_style": True,
        "endpoint": url,
        "keys_file": str(keys),
    }


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs the task with a job that writes its events where it is told to; `result` is what the job prints."""

    def execute(transport: dict[str, Any] | None, result: str = "LAKESTACK_RESULT {}") -> dict[str, Any]:
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__NAMESPACE", "lakestack-test")
        monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
        if transport is not None:
            monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
        script = tmp_path / "spark-submit"
        script.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\n'
            "file=$(sed -n 's/^spark.openlineage.transport.location=//p' "
            f'{tmp_path}/arguments)\n[ -z "$file" ] || printf \'%s\\n%s\\n{{"eventTy\' {EVENTS[0]!r} {EVENTS[1]!r} > '
            f"\"$file\"\necho '{result}'\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        task = IngestOperator(task_id="ingest", source=load_sources()[0], days=days_of_month)
        dag_run = SimpleNamespace(logical_date=datetime(2018, 4, 1, tzinfo=UTC), conf={}, clear_number=0)
        instance = SimpleNamespace(
            dag_id="etl_spark_media_monthly",
            task_id="ingest",
            try_number=1,
            map_index=-1,
            dag_run=dag_run,
            get_template_context=lambda: {"dag_run": dag_run},
        )
        return task.execute({"run_id": "manual__1:2", "params": {"month": "2018-04"}, "ti": instance})

    return execute


def settings_of(tmp_path: Path) -> dict[str, str]:
    lines = (tmp_path / "arguments").read_text().splitlines()
    after = lines[lines.index("ingest") :]
    return dict(text.split("=", 1) for flag, text in itertools.pairwise(after) if flag == "--conf")


def test_the_events_of_a_job_become_one_object_of_the_day(
    run: Callable[..., Any], receiver: Receiver, keys: Path, tmp_path: Path
) -> None:
    run(transport_to(receiver.url, keys))
    [(method, path, body, signed)] = receiver.taken
    assert method == "PUT"
    today = f"{datetime.now(UTC):%Y/%m/%d}"
    assert path.startswith(f"/lineage/{today}/")
    assert path.endswith(".jsonl")
    # The line that the driver has not written to its end is left out.
    assert body.decode().splitlines() == EVENTS
    assert "Credential=lineage/" in signed
    assert "not to be seen" not in signed + (tmp_path / "arguments").read_text()


def test_a_job_is_told_its_task_source_days_and_run(
    run: Callable[..., Any], receiver: Receiver, keys: Path, tmp_path: Path
) -> None:
    run(transport_to(receiver.url, keys))
    settings = settings_of(tmp_path)
    assert settings["spark.extraListeners"] == "io.openlineage.spark.agent.OpenLineageSparkListener"
    assert settings["spark.openlineage.namespace"] == "lakestack-test"
    assert settings["spark.openlineage.appName"] == "ingest_media"
    tags = r"source:media;run:manual__1\:2;start:2018-04-01;end:2018-05-01"
    assert settings["spark.openlineage.run.tags"] == tags
    assert settings["spark.openlineage.parentJobName"] == "etl_spark_media_monthly.ingest"
    assert settings["spark.openlineage.rootParentJobName"] == "etl_spark_media_monthly"
    assert settings["spark.openlineage.parentRunId"] != settings["spark.openlineage.rootParentRunId"]


def test_a_job_that_fails_is_told_of_too(run: Callable[..., Any], receiver: Receiver, keys: Path) -> None:
    failure = 'LAKESTACK_FAILURE {"message": "no data", "retry": false}'
    with pytest.raises(AirflowFailException, match="no data"):
        run(transport_to(receiver.url, keys), failure)
    assert len(receiver.taken) == 1


def test_a_store_that_is_not_there_changes_nothing(
    run: Callable[..., Any], keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert run(transport_to(url, keys), 'LAKESTACK_RESULT {"inserted": 5}') == {"inserted": 5}
    assert "could not be told" in caplog.text
    assert "not to be seen" not in caplog.text


def test_a_receiver_is_told_of_each_event(run: Callable[..., Any], receiver: Receiver) -> None:
    run({"type": "http", "url": f"{receiver.url}/", "timeout": 3, "retry": {"total": 1}})
    assert [(method, path) for method, path, *_ in receiver.taken] == [("POST", "/api/v1/lineage")] * 2
    assert [json.loads(body) for _, _, body, _ in receiver.taken] == [json.loads(event) for event in EVENTS]


def test_where_nobody_wants_lineage_a_job_is_not_asked_for_it(run: Callable[..., Any], tmp_path: Path) -> None:
    run(None)
    assert settings_of(tmp_path) == {}


def test_two_objects_never_have_one_name(receiver: Receiver, keys: Path) -> None:
    config = transport_to(receiver.url, keys)
    transport = BucketTransport(BucketConfig.from_dict(config))
    for _ in range(5):
        transport.emit({"eventType": "START"})
    paths = [path for _, path, *_ in receiver.taken]
    assert len(set(paths)) == len(paths) == 5
    assert paths == sorted(paths)
