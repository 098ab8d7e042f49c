"""What the keeper takes, and where it goes, with a server in place of the object store."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from events import ACTION, QUERY, REFUSED, REQUEST
from keeper import Door, Spool, Store, keep

TOKEN = "a token"


class Taker(ThreadingHTTPServer):
    """Takes what it is given, or says that it can't."""

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Taker)


class _Taker(BaseHTTPRequestHandler):
    server: Taker

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status == 200:
            self.server.taken[self.path] = body
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        pass


@pytest.fixture
def taker() -> Iterator[Taker]:
    with Taker() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def store(taker: Taker, tmp_path: Path) -> Store:
    keys = tmp_path / "keys.json"
    keys.write_text('{"user": "audit", "key": "secret"}')
    endpoint = f"http://127.0.0.1:{taker.server_address[1]}"
    settings = {"bucket": "audit", "region": "us-east-1", "path_style": True}
    return Store({**settings, "endpoint": endpoint, "keys_file": str(keys)})


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def tell(store: Store, spool: Spool) -> Iterator[Callable[..., int]]:
    """Tells something; returns the status of the answer."""
    with Door(0, TOKEN, spool, store) as door:
        Thread(target=door.serve_forever, daemon=True).start()

        def post(kind: str, *events: Any, token: str = TOKEN, body: str | None = None) -> int:  # noqa: ANN401
            text = "".join(f"{json.dumps(event)}\n" for event in events) if body is None else body
            request = urllib.request.Request(
                f"http://127.0.0.1:{door.server_address[1]}/{kind}",
                text.encode(),
                {"authorization": f"Bearer {token}"},
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return int(response.status)
            except urllib.error.HTTPError as error:
                return error.code

        yield post
        door.shutdown()


def rows(taker: Taker, kind: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path, body in sorted(taker.taken.items())
        if path.startswith(f"/audit/{kind}/")
        for line in body.splitlines()
    ]


def test_what_is_told_is_in_the_bucket_by_kind_and_day(
    tell: Callable[..., int], store: Store, spool: Spool, taker: Taker
) -> None:
    assert tell("queries", QUERY) == tell("queries", REFUSED) == tell("requests", REQUEST) == 204
    assert tell("actions", ACTION, {**ACTION, "id": 18, "time": "2026-11-30T00:00:01+00:00"}) == 204
    assert store.send(spool) == 4
    objects = [path.rsplit("/", 1)[0] for path in taker.taken if not path.endswith("/")]
    assert sorted(objects) == [
        "/audit/actions/2026/11/29",
        "/audit/actions/2026/11/30",
        "/audit/queries/2026/11/29",
        "/audit/requests/2026/11/29",
    ]
    assert [row["state"] for row in rows(taker, "queries")] == ["FINISHED", "FAILED"]
    assert [row["id"] for row in rows(taker, "actions")] == ["17", "18"]
    assert rows(taker, "requests")[0]["time"] == "2026-11-29T09:32:08.209131Z", "a table has no nanoseconds"
    assert store.send(spool) == 0, "nothing is sent twice"


def test_every_prefix_is_there_before_anything_was_told(store: Store, spool: Spool, taker: Taker) -> None:
    store.send(spool)
    assert sorted(taker.taken) == ["/audit/actions/", "/audit/queries/", "/audit/requests/"]


def test_what_a_store_that_is_away_does_not_take_is_kept_in_order_across_a_restart(
    tell: Callable[..., int], store: Store, spool: Spool, taker: Taker
) -> None:
    store.send(spool)
    taker.status = 503
    assert tell("queries", QUERY) == 204
    with pytest.raises(Exception, match="503"):
        store.send(spool)
    assert tell("queries", REFUSED) == 204
    taker.status = 200
    assert store.send(Spool(spool.folder)) == 2
    assert [row["state"] for row in rows(taker, "queries")] == ["FINISHED", "FAILED"]
    assert [path for path in spool.folder.rglob("*") if path.is_file()] == []


def test_who_has_no_token_is_refused_and_leaves_nothing(tell: Callable[..., int], spool: Spool) -> None:
    assert tell("queries", QUERY, token="another") == 401
    assert spool.close() == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("nothing", "{}", 404),
        ("queries", "{}", 400),
        ("queries", "{", 400),
        ("actions", '{"id": 1, "time": "now"}', 400),
    ],
)
def test_what_is_no_event_is_refused(tell: Callable[..., int], spool: Spool, kind: str, body: str, status: int) -> None:
    assert tell(kind, body=body) == status
    assert spool.close() == []


def test_a_disk_that_is_full_is_told_to_come_again(
    tell: Callable[..., int], spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "folder", Path("/proc/nowhere"))
    assert tell("queries", QUERY) == 503


def test_its_own_requests_are_not_told_but_those_that_fail(
    tell: Callable[..., int], store: Store, spool: Spool, taker: Taker
) -> None:
    own = {**REQUEST, "accessKey": "audit", "api": {**REQUEST["api"], "bucket": "audit"}}
    refused = {**own, "requestID": "refused", "api": {**own["api"], "statusCode": 403}}
    assert tell("requests", own, refused) == 204
    store.send(spool)
    assert [row["id"] for row in rows(taker, "requests")] == ["refused"]


def test_it_sends_every_so_often_and_once_more_when_it_is_told_to_stop(
    tell: Callable[..., int], store: Store, spool: Spool, taker: Taker
) -> None:
    stop = Event()
    keeping = Thread(target=keep, args=(store, spool, 0.05, stop))
    keeping.start()
    tell("queries", QUERY)
    deadline = time.monotonic() + 10
    while not rows(taker, "queries") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(rows(taker, "queries")) == 1
    tell("queries", REFUSED)
    stop.set()
    keeping.join(timeout=10)
    assert len(rows(taker, "queries")) == 2
