"""The command: what it prints, and with which exit code it ends."""

import argparse
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conftest import location_of
from lakestack_jobs import __main__ as command
from lakestack_jobs.sources import Source, read_source

Run = Callable[..., tuple[int, str, dict[str, Any]]]
Session = AbstractContextManager[SparkSession]


@pytest.fixture
def run(
    media: Source,
    declared: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command on the shared session; returns the exit code and the two parts of the last line."""
    monkeypatch.setattr(SparkSession, "stop", lambda _: None)
    monkeypatch.setattr(
        command, "read_source", lambda *place: replace(read_source(*place), location=location_of("Media"))
    )
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(list(declared.values())))

    def run_command(*arguments: str) -> tuple[int, str, dict[str, Any]]:
        code = command.main(["ingest", "--sources", str(sources), *arguments])
        word, content = capsys.readouterr().out.splitlines()[-1].split(" ", 1)
        return code, word, json.loads(content)

    return run_command


def test_success_ends_with_the_counts(run: Run) -> None:
    code, word, result = run("--source", "media", "--start", "2018-04-16", "--end", "2018-04-17", "--run-id", "r1")
    assert (code, word) == (0, "LAKESTACK_RESULT")
    assert result["seconds"] > 0
    del result["seconds"]
    assert result == {
        "source": "media",
        "table": "iceberg.newtral.media",
        "start": "2018-04-16",
        "end": "2018-04-17",
        "run_id": "r1",
        "files": 3,
        "files_before": 0,
        "not_appended": [],
        "read": 56,
        "duplicates": 0,
        "already_present": 0,
        "inserted": 56,
        "updated": 0,
        "rejected": 0,
        "damaged_files": 0,
        "quarantined": 0,
        "undeclared": {},
        "evolved": [],
        "committed_before": False,
    }


def test_an_empty_day_ends_with_its_prefix_and_no_retry(run: Run) -> None:
    code, word, failure = run("--source", "media", "--start", "2012-01-05", "--end", "2012-01-06")
    assert (code, word, failure["retry"]) == (1, "LAKESTACK_FAILURE", False)
    assert "Media/2012/01/05/ is empty" in failure["message"]


def test_an_unknown_source_is_told_the_declared_ones(run: Run) -> None:
    code, _, failure = run("--source", "mdia", "--start", "2018-04-16", "--end", "2018-04-17")
    assert code == 1
    assert failure["message"].startswith('No source is called "mdia". Declared are media, tiktokcomment.')


def test_a_missing_sources_file_says_where_it_comes_from(run: Run) -> None:
    arguments = ("--source", "media", "--start", "2018-04-16", "--end", "2018-04-17", "--sources", "/nowhere.json")
    assert "rendered from sources.yaml: run pulumi up" in run(*arguments)[2]["message"]


def test_an_unforeseen_error_is_worth_another_try(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_connection(*_: object, **__: object) -> None:
        raise ConnectionError("the catalog does not answer\nand more")

    monkeypatch.setattr(command, "ingest", lose_connection)
    _, word, failure = run("--source", "media", "--start", "2018-04-16", "--end", "2018-04-17")
    assert (word, failure) == (
        "LAKESTACK_FAILURE",
        {"message": "ConnectionError: the catalog does not answer and more", "retry": True},
    )


def test_a_large_batch_is_read_by_executors_with_both_of_javas_compilers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    session = command._session

    def noted(parsed: argparse.Namespace, name: str, *settings: Mapping[str, str]) -> Session:
        asked.append(settings)
        return session(parsed, name, *settings)

    monkeypatch.setattr(command, "_session", noted)
    monkeypatch.setattr(command, "_COMPILED_BYTES", 30_000)
    day = ("--source", "media", "--start", "2018-04-16", "--end", "2018-04-17")
    assert run(*day, "--cores", "4")[2]["inserted"] == 56
    assert asked == [()]
    assert run(*day, "--run-id", "large")[2]["already_present"] == 56
    assert asked == [(), (), ({"spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=4"},)]


def test_a_run_of_only_what_is_new_reads_a_day_once(run: Run) -> None:
    day = ("--source", "media", "--start", "2018-04-17", "--end", "2018-04-18", "--late-days", "1", "--only-new")
    _, _, first = run(*day, "--run-id", "r1")
    _, _, second = run(*day, "--run-id", "r2")
    assert (first["start"], first["end"]) == ("2018-04-16", "2018-04-18")
    assert (second["files"], second["files_before"], second["read"]) == (0, first["files"], 0)


def test_a_replay_is_a_job_of_its_own(
    media: Source,
    declared: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del media
    monkeypatch.setattr(SparkSession, "stop", lambda _: None)
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(list(declared.values())))
    replayed = ["replay", "--source", "media", "--sources", str(sources), "--run-id", "r", "--day", "2018-04-16"]
    assert command.main(replayed) == 0
    word, content = capsys.readouterr().out.splitlines()[-1].split(" ", 1)
    assert word == "LAKESTACK_RESULT"
    assert {"source": "media", "run_id": "r", "entries": 0}.items() <= json.loads(content).items()
    assert command.main([*replayed[:-2], "--discard"]) == 1
    word, content = capsys.readouterr().out.splitlines()[-1].split(" ", 1)
    assert (word, json.loads(content)["retry"]) == ("LAKESTACK_FAILURE", False)
