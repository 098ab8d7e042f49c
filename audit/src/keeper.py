"""
Keeps the audit log: takes events over HTTP, writes them to disk, and puts them into a bucket some minutes later.

`POST /queries`, `/requests` or `/actions` with `Authorization: Bearer <token>` and events as JSON, one a line. What is
answered with 204 is on disk, and stays there until the store has it: whoever tells something never waits for the store.
Each object `<kind>/<year>/<month>/<day>/<time>-<uuid>.jsonl` has rows (rows.py) of one day, in UTC, one a line.

From the environment: `AUDIT_FOLDER`, `AUDIT_TOKEN_FILE`, `AUDIT_PORT`, `AUDIT_SECONDS` between two rounds to the
store, and `AUDIT_STORE`, a JSON object with `bucket`, `region`, `path_style` and, where they are needed, `endpoint` and
`keys_file`, a JSON file with a `user` and its `key`.
"""

import hmac
import json
import os
import signal
import sys
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.config import Config

from rows import READERS, Row

# A query's event has 229 KB, most of it statistics.
_MOST_BYTES = 16 * 1024 * 1024


class Spool:
    """Rows on disk: in open files, which grow, and in closed ones, which wait for the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()

    def add(self, kind: str, rows: list[Row]) -> None:
        """Appends each row to the open file of its day, those of one day all or not at all."""
        by_day: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            # The store tells nanoseconds, for which a table has no type.
            time = datetime.fromisoformat(row["time"]).astimezone(UTC)
            told = {**row, "time": f"{time:%Y-%m-%dT%H:%M:%S.%fZ}"}
            line = json.dumps({name: value for name, value in told.items() if value is not None})
            by_day[f"{time:%Y-%m-%d}"].append(f"{line}\n")
        with self._lock:
            for day, lines in by_day.items():
                path = self.folder / kind / f"{day}.open"
                path.parent.mkdir(parents=True, exist_ok=True)
                self._append(path, "".join(lines).encode())

    @staticmethod
    def _append(path: Path, content: bytes) -> None:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            if file.write(content) != len(content):
                file.truncate(before)
                raise OSError(f"no place for {len(content)} bytes in {path}")

    def close(self) -> list[Path]:
        """Closes all open files; returns what waits, the oldest first."""
        with self._lock:
            for path in self.folder.glob("*/*.open"):
                path.rename(path.with_name(f"{path.stem}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid4()}.jsonl"))
        return sorted(self.folder.glob("*/*.jsonl"), key=lambda path: path.name.split(".", 1)[1])

    def key(self, path: Path) -> str:
        """The name of a closed file's object."""
        day, name = path.name.split(".", 1)
        return f"{path.parent.name}/{day.replace('-', '/')}/{name}"


class Store:
    """The bucket, into which its user may only add."""

    def __init__(self, settings: dict[str, Any]) -> None:
        keys: dict[str, str] = {}
        if "keys_file" in settings:
            pair = json.loads(Path(settings["keys_file"]).read_text(encoding="utf-8"))
            keys = {"aws_access_key_id": pair["user"], "aws_secret_access_key": pair["key"]}
        self.bucket = settings["bucket"]
        self.user = keys.get("aws_access_key_id")
        self._prepared = False
        self._client: Any = botocore.session.Session().create_client(
            "s3",
            region_name=settings["region"],
            endpoint_url=settings.get("endpoint"),
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if settings["path_style"] else "virtual"},
            ),
            **keys,
        )

    def send(self, spool: Spool) -> int:
        """
        Puts what waits into the bucket. Done again after an interruption, it makes the same objects.

        Returns:
            How many objects.
        """
        if not self._prepared:
            # A source whose prefix is nowhere is taken for a mistake.
            for kind in READERS:
                self._client.put_object(Bucket=self.bucket, Key=f"{kind}/", Body=b"")
            self._prepared = True
        waiting = spool.close()
        for path in waiting:
            with path.open("rb") as file:
                self._client.put_object(
                    Bucket=self.bucket, Key=spool.key(path), Body=file, ContentType="application/x-ndjson"
                )
            path.unlink()
        return len(waiting)

    def is_own(self, row: Row) -> bool:
        """Whether a request is the keeper's own, which told would be another one, and so for ever."""
        asked = (row.get("user_name"), row.get("bucket"), row.get("status"))
        return self.user is not None and asked == (self.user, self.bucket, 200)


class Door(ThreadingHTTPServer):
    """Where events are told."""

    daemon_threads = True

    def __init__(self, port: int, token: str, spool: Spool, store: Store) -> None:
        self.authorization = f"Bearer {token}"
        self.spool = spool
        self.store = store
        super().__init__(("", port), _Listener)


class _Listener(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Seconds that a connection may be idle: each has a thread.
    timeout = 120
    server: Door

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404)

    def do_POST(self) -> None:
        if not hmac.compare_digest(self.headers.get("authorization", "").encode(), self.server.authorization.encode()):
            return self._refuse(401, "another token than that of the stack")
        read = READERS.get(self.path.strip("/"))
        if read is None:
            return self._refuse(404, f"something at {self.path}, expected one of /{', /'.join(READERS)}")
        length = int(self.headers.get("content-length", -1))
        if not 0 <= length <= _MOST_BYTES:
            return self._refuse(413, f"{length} bytes, expected 0 to {_MOST_BYTES}")
        lines = self.rfile.read(length).splitlines()
        try:
            rows = [read(json.loads(line)) for line in lines if line]
            self.server.spool.add(self.path.strip("/"), [row for row in rows if not self.server.store.is_own(row)])
        except OSError as error:
            # Who told it keeps it and comes again.
            return self._refuse(503, f"an event that could not be written: {error}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self._refuse(400, f"what is no event of its kind at {self.path}: {error!r}")
        return self._answer(204)

    def _refuse(self, status: int, what: str) -> None:
        print(f"audit: {self.client_address[0]} was refused: {what}", file=sys.stderr, flush=True)
        # The body may be unread.
        self.close_connection = True
        self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Nobody is told of what goes well."""


def keep(store: Store, spool: Spool, seconds: float, stop: Event) -> None:
    """Brings to the store what waits, every so many seconds, until it is told to stop; once more then."""
    away = False
    while True:
        stopped = stop.wait(seconds)
        try:
            store.send(spool)
            away = False
        except Exception as error:
            if not away:
                print(f"audit: kept on disk, for the store does not take it: {error}", file=sys.stderr, flush=True)
            away = True
        if stopped:
            return


def main() -> None:
    """Listens until it is told to stop."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = os.environ
    store = Store(json.loads(settings["AUDIT_STORE"]))
    spool = Spool(Path(settings["AUDIT_FOLDER"]))
    token = Path(settings["AUDIT_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    door = Door(int(settings["AUDIT_PORT"]), token, spool, store)
    Thread(target=door.serve_forever, daemon=True).start()
    keep(store, spool, float(settings["AUDIT_SECONDS"]), stop)
    door.shutdown()


if __name__ == "__main__":
    main()
