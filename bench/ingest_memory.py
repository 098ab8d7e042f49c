"""
Shows that a batch ten times as large as the memory that Spark has goes through: many days, as `ingest_backfill.py`
makes them, in one run. Two tasks share one heap here, as they do in an executor with two cores.

Prints progress, and as its last line a JSON object.
"""

import argparse
import json
import sys
from pathlib import Path

from ingest_backfill import DAY_ROWS, Backfill
from ingest_demo import declared_articles
from ingest_session import LARGE_JOBS, Session

from lakestack_jobs.sources import parse_source

TIMES = 10
# Of JSON, at least.
ROW_BYTES = 700


def main() -> None:
    """Runs the batch in a folder that it may fill."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True, metavar="MIB", help="of Java's heap")
    arguments = parser.parse_args()
    heap = arguments.size << 20
    session = Session(arguments.folder, LARGE_JOBS, heap_mib=arguments.size)
    articles = parse_source(declared_articles(arguments.project))
    session.load_articles(arguments.project / "sample-data" / "Media", articles)
    days = -(-TIMES * heap // (ROW_BYTES * DAY_ROWS))
    backfill = Backfill(session, arguments.project, days * DAY_ROWS)
    text = backfill.text_bytes()
    assert text >= TIMES * heap, f"{text} bytes of JSON are less than {TIMES} times {heap}"
    print(f"{text >> 20} MiB of JSON for a heap of {arguments.size} MiB", flush=True)
    spent = backfill.ours_alone()
    memory = {"heapBytes": heap, "textBytes": text, "rows": backfill.rows, **spent}
    print(json.dumps({"cores": session.cores, "memory": memory}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
