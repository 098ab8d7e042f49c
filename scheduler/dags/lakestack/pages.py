"""What the page of a DAG says about itself."""

import json
import os

from lakestack.sources import Source


def links(source: Source) -> str:
    """Where a source's table, quarantine, jobs and other DAGs are: a table for the DAG's page."""
    dags = {
        **({"incremental": f"etl_spark_{source.name}_incremental"} if source.incremental else {}),
        "daily": f"etl_spark_{source.name}_daily",
        "monthly": f"etl_spark_{source.name}_monthly",
        "maintenance": f"maintain_{source.name}",
        "replay": f"replay_{source.name}",
    }
    if source.checked_afterwards:
        dags["checks"] = f"check_{source.name}"
    if source.blocks:
        dags["refused batches"] = f"publish_{source.name}"
    rows = {
        "table": f"`iceberg.{source.table}` in Trino",
        "rows that could not be read": f"`iceberg.{source.table}_quarantine`",
        "Spark jobs": _spark_pages(),
        **({"results of its checks": f"`iceberg.{source.table}_checks`"} if source.checks else {}),
        "DAGs of this source": ", ".join(f"[{name}](/dags/{dag})" for name, dag in dags.items()),
    }
    return "\n| | |\n| --- | --- |\n" + "".join(f"| {name} | {content} |\n" for name, content in rows.items())


def _spark_pages() -> str:
    pages = json.loads(os.environ.get("LAKESTACK_SPARK_PAGES", "{}"))
    names = {"driver": "running now", "master": "the cluster", "history": "ended"}
    return ", ".join(f"[{name}]({pages[page]})" for page, name in names.items() if page in pages) or "on Spark's pages"
