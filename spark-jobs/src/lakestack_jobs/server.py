"""A driver that stays: one job after the other, each with a Spark application of its own."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

READY = "ready"
# Exit code of a job that has said what is wrong with its data or declaration: the process is as good as before.
REFUSED = 1
# Ends what a job has printed. Spark hands the output of Python on in a thread of its own: the exit code may be sooner.
END = "LAKESTACK_END"

# After so many jobs the next one starts a new process: what a job leaves behind in a JVM does not add up for ever.
_MOST_JOBS = 100


def serve(
    address: Path, run: Callable[[Sequence[str]], int], tidy: Callable[[], None], most_jobs: int = _MOST_JOBS
) -> None:
    """
    Does the jobs that come in at a Unix socket, one at a time, until one fails for a reason that it does not know: that
    may have hurt the JVM.

    A client sends the job's arguments, a JSON list on a line. It gets a line with `ready`, and when the job has ended
    a line with its exit code. What the job prints goes to where this process prints, and after it a line
    `LAKESTACK_END`. A job whose client goes away ends, and this process with it: whoever asked for it was told to stop.

    Args:
        address: Where the socket is made.
        run: Does a job; returns its exit code.
        tidy: Called between two jobs.
        most_jobs: After how many the process ends.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(1)
        for _ in range(most_jobs):
            connection, _ = listener.accept()
            with connection:
                if _serve_one(connection, run) not in (0, REFUSED):
                    return
            tidy()


def _serve_one(connection: socket.socket, run: Callable[[Sequence[str]], int]) -> int:
    with connection.makefile("rw") as lines:
        asked = lines.readline()
        if not asked:
            # The client was gone before it had asked for anything.
            return 0
        print(READY, file=lines, flush=True)
        with _ended_if_abandoned(connection):
            code = _exit_code(run, json.loads(asked))
        print(f"\n{END}", flush=True)
        with suppress(OSError):
            print(code, file=lines, flush=True)
        return code


def _exit_code(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    try:
        return run(arguments)
    except SystemExit as ended:
        # So argparse refuses arguments; it has said why.
        return ended.code if isinstance(ended.code, int) else 1


@contextmanager
def _ended_if_abandoned(connection: socket.socket) -> Iterator[None]:
    """Ends the process when the client goes away meanwhile: nothing else stops a job that waits for Java."""
    done = threading.Event()

    def watch() -> None:
        with suppress(OSError):
            connection.recv(1)
        if not done.is_set():
            os._exit(1)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
        watcher.join()
