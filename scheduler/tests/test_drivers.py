"""Drivers that stay, with the jobs' own server and jobs that need no Spark."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import project
from lakestack import drivers
from lakestack.drivers import Place, free_place

Do = Callable[..., list[str]]

_DRIVER = """
import os, signal, sys, time
from pathlib import Path
from lakestack_jobs.server import serve

def run(job):
    print("driver", os.getpid(), flush=True)
    if job[0] == "refuse":
        return 1
    if job[0] == "fail":
        return 2
    if job[0] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job[0] == "sleep":
        time.sleep(60)
    print("did", *job, end="", flush=True)
    return 0

print("starting", flush=True)
serve(Path(sys.argv[-1]), run, lambda: None, most_jobs=3)
"""
start = [sys.executable, "-c", _DRIVER]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PYTHONPATH", str(project / "spark-jobs" / "src"))
    yield tmp_path
    for output in tmp_path.glob("*/output"):
        for line in output.read_text().splitlines():
            if line.startswith("driver ") and _runs(line):
                os.kill(_pid(line), signal.SIGKILL)


@pytest.fixture
def do(folder: Path) -> Do:
    """Has a job done; returns what its driver printed."""

    def run(*job: str, command: Sequence[str] = start) -> list[str]:
        with free_place(1, folder) as place:
            assert place is not None
            return list(place.run(command, job))

    return run


def _pid(line: str) -> int:
    return int(line.split()[1])


def _runs(line: str) -> bool:
    try:
        os.kill(_pid(line), 0)
    except ProcessLookupError:
        return False
    # Killed, and nobody has asked how it ended.
    return "Z" not in Path(f"/proc/{_pid(line)}/stat").read_text().rsplit(")", 1)[1].split()[0]


def _ends(line: str) -> bool:
    for _ in range(50):
        if not _runs(line):
            return True
        time.sleep(0.1)
    return False


def test_the_second_job_is_done_by_the_driver_of_the_first(do: Do) -> None:
    first, second = do("ingest", "a b"), do("ingest", "c")
    assert first[0] == "starting"
    assert first[2] == "did ingest a b"
    assert second == [first[1], "did ingest c"]


def test_what_is_printed_late_is_waited_for(do: Do, tmp_path: Path) -> None:
    slow = "import sys, time\nfor line in sys.stdin:\n    time.sleep(0.5)\n    print(line, end='', flush=True)"
    (tmp_path / "driver.py").write_text(_DRIVER)
    (tmp_path / "slow.py").write_text(slow)
    pipe = f'{sys.executable} {tmp_path}/driver.py "$0" | {sys.executable} {tmp_path}/slow.py'
    lines = do("x", command=["sh", "-c", pipe])
    assert [lines[0], lines[2]] == ["starting", "did x"]
    assert do("y")[-1] == "did y"


def test_a_driver_ends_after_its_last_job(do: Do) -> None:
    pids = [do("x")[-2] for _ in range(4)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert _ends(pids[0])


def test_a_driver_whose_job_has_failed_is_not_asked_again(do: Do) -> None:
    failed = do("fail")
    again = do("x")
    assert again[0] == "starting"
    assert again[1] != failed[1]


def test_a_driver_whose_job_has_refused_its_data_does_the_next(do: Do) -> None:
    refused = do("refuse")
    assert do("x") == [refused[1], "did x"]


def test_a_driver_that_is_killed_ends_the_job_with_what_it_printed(do: Do) -> None:
    lines = do("die")
    assert lines[0] == "starting"
    assert len(lines) == 2
    assert do("x")[-1] == "did x"


def test_a_driver_that_hangs_is_replaced(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "_READY_SECONDS", 0.5)
    hanging = do("x")[1]
    os.kill(_pid(hanging), signal.SIGSTOP)
    assert do("y")[0] == "starting"
    assert _ends(hanging)


def test_a_driver_that_does_not_start_ends_the_job_with_its_words(do: Do) -> None:
    assert do("x", command=[sys.executable, "-c", "raise SystemExit('no such class')"]) == ["no such class"]


def test_tasks_at_the_same_time_have_places_of_their_own_or_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "_WORTH_WAITING_SECONDS", 0)
    with free_place(2, folder) as one, free_place(2, folder) as two, free_place(2, folder) as none:
        assert isinstance(one, Place)
        assert isinstance(two, Place)
        assert none is None
    with free_place(1, folder) as again:
        assert again is not None
    with free_place(0, folder) as no_places:
        assert no_places is None


def test_a_place_whose_job_has_just_begun_is_waited_for(folder: Path) -> None:
    with ThreadPoolExecutor(1) as other, ExitStack() as first:
        first.enter_context(free_place(1, folder))

        def wait() -> bool:
            with free_place(1, folder) as place:
                return place is not None

        waiting = other.submit(wait)
        assert futures.wait([waiting], timeout=1).not_done
        first.close()
        assert waiting.result(timeout=10)


def test_a_job_that_runs_for_long_is_not_waited_for(folder: Path) -> None:
    with free_place(2, folder), free_place(2, folder):
        for lock in folder.glob("*/lock"):
            long_ago = time.time() - 60
            os.utime(lock, (long_ago, long_ago))
        with free_place(2, folder) as place:
            assert place is None


@pytest.mark.parametrize("by", ["stop", "leaving"])
def test_a_job_that_is_stopped_ends_with_its_driver(folder: Path, by: str) -> None:
    with free_place(1, folder) as place:
        assert place is not None
        lines = place.run(start, ["sleep"])
        driver = next(line for line in lines if line.startswith("driver"))
        if by == "stop":
            place.stop()
            assert list(lines) == []
        else:
            lines.close()  # type: ignore[attr-defined]
    assert _ends(driver)
