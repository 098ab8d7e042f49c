"""A server that stands in the place of one that is told something."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What came with a request."""

    method: str
    path: str
    body: bytes
    authorization: str


class Receiver(ThreadingHTTPServer):
    """Takes what it is given, and answers each request with `status`."""

    def __init__(self) -> None:
        self.taken: list[Request] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Taker)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Taker(BaseHTTPRequestHandler):
    server: Receiver

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append(Request(self.command, self.path, body, self.headers.get("authorization", "")))
        self.send_response(self.server.status)
        self.end_headers()

    do_POST = do_PUT  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        pass
