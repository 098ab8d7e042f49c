"""What is kept of an event: one flat row, whose fields are the columns in sources.yaml."""

from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]
Row = dict[str, Any]


def query(event: Event) -> Row:
    """
    A query that has ended, well or not, as Trino's http event listener tells it.

    Left out is most of it: the plan and the statistics of each operator, a quarter of a megabyte.
    https://trino.io/docs/current/develop/event-listener.html
    """
    about, figures, context = event["metadata"], event["statistics"], event["context"]
    failure = event.get("failureInfo") or {}
    written = event["ioMetadata"].get("output")
    return {
        "id": about["queryId"],
        "time": event["endTime"],
        "user_name": context["user"],
        "address": context.get("remoteClientAddress"),
        "client": context.get("source") or context.get("userAgent"),
        "state": about["queryState"],
        "error": failure.get("errorCode", {}).get("name"),
        "message": failure.get("failureMessage"),
        "statement": about["query"],
        "tables": [
            {"name": _name(table, "catalog"), "columns": [column["column"] for column in table["columns"]]}
            for table in about["tables"]
        ],
        "written": None if written is None else _name(written, "catalogName"),
        "rows_read": figures["physicalInputRows"],
        "bytes_read": figures["physicalInputBytes"],
        "rows_returned": figures["outputRows"],
        "rows_written": figures["writtenRows"],
        "seconds": figures["wallTime"],
    }


def request(event: Event) -> Row:
    """
    A request to the object store, as MinIO's audit webhook tells it. Who asks with a key that the catalog has lent is
    known by the user whose rights the key has.

    https://min.io/docs/minio/linux/operations/monitoring/minio-logging.html
    """
    api = event["api"]
    return {
        "id": event.get("requestID"),
        "time": event["time"],
        "user_name": event.get("parentUser") or event.get("accessKey"),
        "access_key": event.get("accessKey"),
        "address": event.get("remotehost"),
        "client": event.get("userAgent"),
        "operation": api.get("name"),
        "bucket": api.get("bucket"),
        "object": api.get("object"),
        "status": api.get("statusCode"),
        "bytes_received": api.get("rx"),
        "bytes_sent": api.get("tx"),
    }


def action(event: Event) -> Row:
    """What somebody has done in Airflow. The DAG tell_audit, which reads it from Airflow's log, tells it as a row."""
    return {**event, "id": str(event["id"]), "time": event["time"]}


# By the last part of the URL and the first of the object's name.
READERS: Mapping[str, Callable[[Event], Row]] = {"queries": query, "requests": request, "actions": action}


def _name(table: Event, catalog: str) -> str:
    return f"{table[catalog]}.{table['schema']}.{table['table']}"
