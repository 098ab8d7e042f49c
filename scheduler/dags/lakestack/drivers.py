"""Drivers of Spark that stay for the next job: starting one takes longer than a small job."""

import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

# About what a driver and an executor of its own cost a small job: a place whose job has begun within this time is
# waited for, as such jobs are done sooner than these are there. What has run for longer may go on for hours.
_WORTH_WAITING_SECONDS = 12
# Well above what a driver that waits takes to answer.
_READY_SECONDS = 10
# The last line of what a job prints; it may come later than the job's end.
_END = "LAKESTACK_END"
_END_SECONDS = 30
# For the last words of a driver that is gone.
_GONE_SECONDS = 1


@contextmanager
def free_place(places: int, folder: Path | None = None) -> Iterator["Place | None"]:
    """
    A place for a driver that no other task has now; None if all are taken by jobs that are not about to end.

    Args:
        places: How many there are on this machine.
        folder: Where they are (default: one for all tasks, in the folder for temporary files).
    """
    folder = Path(tempfile.gettempdir()) / "lakestack-drivers" if folder is None else folder
    while True:
        begun = 0.0
        for number in range(places):
            place = folder / str(number)
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Given back by the kernel when the task ends, however it ends.
            with (place / "lock").open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    begun = max(begun, os.fstat(lock.fileno()).st_mtime)
                    continue
                os.utime(lock.fileno())
                yield Place(place)
                return
        if time.time() - begun > _WORTH_WAITING_SECONDS:
            break
        time.sleep(0.2)
    yield None


class Place:
    """Where a driver stays between jobs: its socket, and the file that it prints to."""

    def __init__(self, folder: Path) -> None:
        self._address = folder / "socket"
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def run(self, start: Sequence[str], job: Sequence[str]) -> Iterator[str]:
        """
        Has a job done by the driver that is here, or by a new one.

        Args:
            start: Command of a driver, which is given the address to be called at.
            job: The job's arguments.

        Yields:
            What the driver prints, line by line.
        """
        # The driver appends, so it goes on at the new end.
        self._output.open("w").close()
        with self._output.open(errors="replace") as output:
            lines = _Lines(output)
            try:
                self._connection = self._ask(job)
                if self._connection is None:
                    self._process = self._start(start)
                while self._connection is None and self._process is not None:
                    yield from lines.new()
                    if self._process.poll() is not None:
                        break
                    time.sleep(0.1)
                    self._connection = self._ask(job)
                if self._connection is not None:
                    yield from self._until_the_end(self._connection, lines)
                yield from lines.rest()
                self._process = None
            finally:
                self.stop()

    def stop(self) -> None:
        """Ends a job that still runs, and its driver: neither outlives who asked for it."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        elif self._process is not None:
            self._process.terminate()

    @staticmethod
    def _until_the_end(connection: socket.socket, lines: "_Lines") -> Iterator[str]:
        """What a job prints, until the last of it is here, or until its driver is gone."""
        until: float | None = None
        while until is None or time.monotonic() < until:
            for line in lines.new():
                if line == _END:
                    return
                yield line
            if until is not None:
                time.sleep(0.1)
            elif select.select([connection], [], [], 0.1)[0]:
                until = time.monotonic() + (_END_SECONDS if _received(connection) else _GONE_SECONDS)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self._address.unlink(missing_ok=True)
        with self._output.open("ab") as output:
            return subprocess.Popen(
                [*command, str(self._address)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                # What the task's end does to its children does not reach this one.
                start_new_session=True,
            )

    def _ask(self, job: Sequence[str]) -> socket.socket | None:
        """The connection over which a driver has taken the job; None if there is no driver."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_READY_SECONDS)
        try:
            connection.connect(str(self._address))
            connection.sendall(f"{json.dumps(job)}\n".encode())
            if connection.recv(16):
                connection.settimeout(None)
                return connection
        except TimeoutError:
            # It hangs, so nobody else gets an answer either.
            os.kill(_process_behind(connection), signal.SIGKILL)
        except OSError:
            pass
        connection.close()
        return None


def _received(connection: socket.socket) -> bool:
    """Whether it is an exit code that there is to be read, and not the end of the driver."""
    try:
        return bool(connection.recv(16))
    except OSError:
        return False


class _Lines:
    """The whole lines of a text that grows."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._begun = ""

    def new(self) -> Iterator[str]:
        *lines, self._begun = (self._begun + self._text.read()).split("\n")
        yield from (line.rstrip() for line in lines)

    def rest(self) -> Iterator[str]:
        yield from self.new()
        if self._begun:
            yield self._begun.rstrip()
            self._begun = ""


def _process_behind(connection: socket.socket) -> int:
    size = struct.calcsize("3i")
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)
