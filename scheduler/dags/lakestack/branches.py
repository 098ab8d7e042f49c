"""Branches of the catalog: a copy of all tables that costs nothing, on which a batch can be looked at by itself."""

import hashlib
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

_SECONDS = 60
_MAIN = "main"
_CATALOG = "spark.sql.catalog.iceberg"
_CONFLICT = 409


def branch_name(source: str, run_id: str) -> str:
    """The branch of a run: the same whenever the run is tried again."""
    return f"audit_{source}_{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


class Catalog:
    """
    Nessie, as far as branches are concerned (https://projectnessie.org/develop/rest/, version 2).

    Args:
        uri: Of its Iceberg interface.
        warehouse: By which that is asked for the address of Nessie's own interface.
        token: By which it knows who asks.
    """

    def __init__(self, uri: str, warehouse: str, token: str) -> None:
        self._uri, self._token = uri.rstrip("/"), token
        settings = self._send("GET", f"{self._uri}/v1/config?{urlencode({'warehouse': warehouse})}")
        self._api = f"{settings['overrides']['nessie.core-base-uri'].rstrip('/')}/v2"

    @classmethod
    def of_spark(cls) -> "Catalog":
        """The one that Spark's jobs use."""
        home = os.environ.get("SPARK_HOME", "/opt/spark")
        lines = Path(home, "conf", "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
        settings = dict(line.split(" ", 1) for line in lines if " " in line)
        uri, warehouse, token = (settings[f"{_CATALOG}.{name}"].strip() for name in ("uri", "warehouse", "token"))
        return cls(uri, warehouse, token)

    def uri_of(self, branch: str) -> str:
        """Where a Spark job finds the catalog as it is on a branch, with all its tables."""
        return f"{self._uri}/{branch}"

    def begin(self, branch: str) -> None:
        """Makes a branch as the tables are now; what an earlier try has left of it goes."""
        self.drop(branch)
        self._ask("POST", f"?{urlencode({'name': branch, 'type': 'BRANCH'})}", self._reference(_MAIN))

    def state(self, branch: str) -> str:
        """
        The commit at which a branch is: Trino reads a table as it is there by the name "<table>#<commit>".

        Raises:
            LookupError: there is no such branch.
        """
        found = self._reference(branch)
        if found is None:
            raise LookupError(f"The catalog has no branch {branch}.")
        return str(found["hash"])

    def drop(self, branch: str) -> bool:
        """Removes a branch; returns whether there was one. The sweep of its table removes the files in some days."""
        found = self._reference(branch)
        if found is None:
            return False
        self._ask("DELETE", f"/{_spelt(found)}?type=BRANCH")
        return True

    def publish(self, branch: str) -> bool:
        """
        Brings all that was committed on a branch to where readers look, in one commit, and removes the branch.

        Returns:
            Whether it was done. Not done it is if a table of the branch was changed by others meanwhile.

        Raises:
            LookupError: there is no such branch.
        """
        found, main = self._reference(branch), self._reference(_MAIN)
        if found is None or main is None:
            raise LookupError(f"The catalog has no branch {branch}.")
        # A batch that added nothing has made no commit, and then there is nothing to merge.
        if found["hash"] != main["hash"] and not self._is_part_of_main(found["hash"]):
            merge = {"fromRefName": branch, "fromHash": found["hash"], "message": f"Publish {branch}"}
            try:
                answer = self._ask("POST", f"/{_spelt(main)}/history/merge", merge)
            except urllib.error.HTTPError as error:
                if error.code != _CONFLICT:
                    raise
                return False
            if not answer.get("wasApplied", False):
                return False
        self.drop(branch)
        return True

    def _is_part_of_main(self, commit: str) -> bool:
        """Whether readers have had this state already, as they have if nothing was committed on a branch."""
        page = self._ask("GET", f"/{_MAIN}/history?{urlencode({'max-records': '250'})}")
        return any(entry["commitMeta"]["hash"] == commit for entry in page["logEntries"])

    def _reference(self, name: str) -> dict[str, Any] | None:
        try:
            reference: dict[str, Any] = self._ask("GET", f"/{quote(name, safe='')}")["reference"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        return reference

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:  # noqa: ANN401
        return self._send(method, f"{self._api}/trees{path}", body)

    def _send(self, method: str, url: str, body: Any = None) -> dict[str, Any]:  # noqa: ANN401
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
            return answer


def _spelt(reference: dict[str, Any]) -> str:
    """A branch with the commit that it is expected to be at."""
    return f"{quote(reference['name'], safe='')}@{reference['hash']}"
