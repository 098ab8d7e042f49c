"""What is told of a run that has failed, and to whom: a real listener in the webhook's place."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from lakestack.failures import tell_failure


class Listener(HTTPServer):
    """Answers with a status, and keeps what it was sent."""

    def __init__(self, status: int) -> None:
        self.told: list[dict[str, Any]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                listener.told.append(json.loads(self.rfile.read(length)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:  # noqa: ANN401
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def listener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    server = Listener(getattr(request, "param", 200))
    Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path / "webhook"
    file.write_text(f"http://127.0.0.1:{server.server_port}/secret-part\n")
    monkeypatch.setenv("LAKESTACK_FAILURE_WEBHOOK_FILE", str(file))
    yield server
    server.shutdown()
    server.server_close()


def context(reason: str = "The prefix s3a://source/Media/ is empty.") -> dict[str, Any]:
    task = SimpleNamespace(
        dag_id="etl_spark_media_daily", task_id="ingest", run_id="r1", try_number=3, log_url="http://airflow/log"
    )
    return {"task_instance": task, "exception": RuntimeError(reason)}


def test_a_failure_is_told_with_its_reason(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    tell_failure(context())
    text = "etl_spark_media_daily failed in task ingest (run r1, try 3): The prefix s3a://source/Media/ is empty."
    assert listener.told == [
        {
            "text": text,
            "dag": "etl_spark_media_daily",
            "task": "ingest",
            "run": "r1",
            "try": 3,
            "reason": "The prefix s3a://source/Media/ is empty.",
            "log": "http://airflow/log",
        }
    ]
    assert f"LAKESTACK_FAILED {text}" in caplog.text


@pytest.mark.parametrize("listener", [500], indirect=True)
def test_a_webhook_that_refuses_changes_nothing(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    tell_failure(context())
    assert len(listener.told) == 1
    assert "The webhook could not be told: HTTP Error 500" in caplog.text


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/secret-part", "no url: secret-part"])
def test_a_webhook_that_is_not_there_is_told_without_its_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "webhook"
    file.write_text(address)
    monkeypatch.setenv("LAKESTACK_FAILURE_WEBHOOK_FILE", str(file))
    tell_failure(context())
    assert "The webhook could not be told" in caplog.text
    assert "secret-part" not in caplog.text


def test_without_a_webhook_the_log_tells_it(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("LAKESTACK_FAILURE_WEBHOOK_FILE", raising=False)
    with caplog.at_level(logging.ERROR):
        tell_failure(context("x" * 5000))
    assert "LAKESTACK_FAILED etl_spark_media_daily" in caplog.text
    assert len(caplog.text) < 2000
