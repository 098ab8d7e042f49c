"""
Asks the catalog over HTTP, one request after the other, and prints each answer's status and body: a JSON list a line.

    python ask_catalog.py requests.json

The file has a list of requests: method, path, token and body, of which the last two may be null.
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

BASE = "http://catalog:19120"


def answer(method: str, path: str, token: str | None, body: object) -> list[Any]:
    """Status and text of an answer."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers, method=method)) as response:
            return [response.status, response.read().decode()]
    except urllib.error.HTTPError as refused:
        return [refused.code, refused.read().decode()]


for request in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    print(json.dumps(answer(request["method"], request["path"], request["token"], request["body"])))
