"""What is kept of events."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from events import ACTION, QUERY, REFUSED, REQUEST
from rows import READERS, action, query, request


def test_a_query_is_kept_with_who_when_what_tables_and_rows() -> None:
    assert query(QUERY) == {
        "id": "20261129_092938_00006_p5sxj",
        "time": "2026-11-29T09:29:47.492Z",
        "user_name": "bob",
        "address": "172.27.0.1",
        "client": "curl/7.88.1",
        "state": "FINISHED",
        "error": None,
        "message": None,
        "statement": "create table memory.default.t as select * from tpch.tiny.region",
        "tables": [{"name": "tpch.tiny.region", "columns": ["regionkey", "name"]}],
        "written": "memory.default.t",
        "rows_read": 5,
        "bytes_read": 0,
        "rows_returned": 1,
        "rows_written": 5,
        "seconds": 4.553,
    }


def test_a_refused_query_is_kept_with_what_was_refused() -> None:
    row = query(REFUSED)
    assert (row["user_name"], row["state"], row["error"]) == ("bob", "FAILED", "PERMISSION_DENIED")
    assert row["message"] == "Access Denied: Cannot select from table tpch.tiny.orders"
    assert (row["tables"], row["written"]) == ([], None)


def test_a_request_with_a_lent_key_is_its_lender_s() -> None:
    lent = request({**REQUEST, "accessKey": "TEMPORARY", "parentUser": "catalog"})
    assert (lent["user_name"], lent["access_key"]) == ("catalog", "TEMPORARY")
    own = request(REQUEST)
    assert (own["user_name"], own["operation"], own["status"]) == ("spark", "GetObject", 200)
    assert (own["bucket"], own["object"], own["bytes_sent"]) == ("source", "Media/2018/04/01/a.json", 1234)


def test_a_request_without_a_key_is_nobody_s() -> None:
    anonymous = request({name: value for name, value in REQUEST.items() if name != "accessKey"})
    assert (anonymous["user_name"], anonymous["access_key"]) == (None, None)


def test_an_action_is_a_row_already() -> None:
    assert action(ACTION) == {**ACTION, "id": "17"}


@pytest.mark.parametrize(("kind", "event"), [("queries", QUERY), ("requests", REQUEST), ("actions", ACTION)])
def test_each_field_is_a_column_of_its_table(kind: str, event: dict[str, Any]) -> None:
    declared = yaml.safe_load((Path(__file__).parents[1] / "sources.yaml").read_text(encoding="utf-8"))["sources"]
    columns = {source["prefix"]: source["columns"] for source in declared}[f"{kind}/"]
    assert set(READERS[kind](event)) <= set(columns)
