"""
The catalog's history: which states a table has had, and since when.

Nessie shows to Iceberg's clients one snapshot a table, the current one. The states before it are in its own commits,
one a change (https://projectnessie.org/guides/iceberg-rest/#time-travel-with-iceberg-rest), and each names the metadata
file that the table had.
"""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from pyspark.sql import SparkSession

from lakestack_jobs.catalog import CATALOG
from lakestack_jobs.job_error import JobError

_SECONDS = 60
_PAGE = 250
# Nessie goes through its whole history, of all tables, until a page is full.
_RECENT = 5


@dataclass(frozen=True)
class State:
    """What a table has been on a branch or tag from a moment on: the address of its metadata file."""

    reference: str
    since: datetime
    metadata: str


@dataclass(frozen=True)
class Api:
    """The catalog's own interface, version 2: its address, and the token by which it knows who asks, if it wants to."""

    address: str
    token: str = field(repr=False)

    def pages(self, path: str, query: dict[str, str], items: str) -> Iterator[dict[str, Any]]:
        """The items of all pages of an answer."""
        following: str | None = None
        while True:
            parameters = urlencode({**query, **({"page-token": following} if following else {})})
            page = _get(f"{self.address}{path}?{parameters}", self.token)
            yield from page[items]
            following = page.get("token")
            if not page.get("hasMore") or not following:
                return


def api_of(spark: SparkSession) -> Api:
    """
    The catalog's own interface, which its Iceberg interface names.

    Raises:
        JobError: the catalog is not a Nessie.
    """
    uri, token, overrides = _catalog(spark)
    base = overrides.get("nessie.core-base-uri")
    if base is None:
        raise JobError(
            f"The catalog at {uri} does not say where its history is, as Nessie does. Without it nobody knows which "
            "files older states of a table need: none was removed. Expire snapshots as that catalog wants it done."
        )
    return Api(f"{base.rstrip('/')}/v2", token)


def recent_states(spark: SparkSession, table: str) -> Iterator["State"]:
    """
    The states of a table on the branch that the session reads, newest first; none if the catalog is not a Nessie.

    Args:
        spark: The session.
        table: "<namespace>.<table>".
    """
    _, token, overrides = _catalog(spark)
    base = overrides.get("nessie.core-base-uri")
    if base is not None:
        branch = overrides.get("nessie.default-branch.name", "main")
        yield from _history(Api(f"{base.rstrip('/')}/v2", token), branch, table, page=_RECENT)


def _catalog(spark: SparkSession) -> tuple[str, str, dict[str, str]]:
    """
    The address of the catalog, the token for it, and what it tells every client to set; nothing if it is not reached by
    an address.
    """
    uri = str(spark.conf.get(f"spark.sql.catalog.{CATALOG}.uri", "")).rstrip("/")
    if not uri:
        return uri, "", {}
    token = str(spark.conf.get(f"spark.sql.catalog.{CATALOG}.token", ""))
    warehouse = str(spark.conf.get(f"spark.sql.catalog.{CATALOG}.warehouse", ""))
    overrides = _get(f"{uri}/v1/config?{urlencode({'warehouse': warehouse})}", token).get("overrides", {})
    return uri, token, {name: str(value) for name, value in overrides.items()}


def states_since(api: Api, table: str, moment: datetime) -> list[State]:
    """
    The states that a table has had since a moment, on every branch and tag: the one that it had then, and all after it.

    Args:
        api: Nessie's interface.
        table: "<namespace>.<table>".
        moment: From when on.
    """
    states = []
    for reference in api.pages("/trees", {}, "references"):
        name = str(reference["name"])
        for state in _history(api, name, table):
            states.append(state)
            if state.since <= moment:
                break
    return states


def _history(api: Api, reference: str, table: str, page: int = _PAGE) -> Iterator[State]:
    """The states of a table on one branch or tag, newest first, so many at a time."""
    query = {"fetch": "ALL", "filter": f"operations.exists(op, op.key == '{table}')", "max-records": str(page)}
    for entry in api.pages(f"/trees/{quote(reference, safe='')}/history", query, "logEntries"):
        for operation in entry["operations"]:
            if ".".join(operation["key"]["elements"]) == table and operation["type"] == "PUT":
                since = datetime.fromisoformat(entry["commitMeta"]["commitTime"])
                yield State(reference, since, operation["content"]["metadataLocation"])


def _get(url: str, token: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        content: dict[str, Any] = json.load(response)
        return content
