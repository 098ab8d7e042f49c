"""
Measures what a batch costs by the size of the table it goes into. `npm run bench:ingest` runs it in the image of the
checks, which has Spark and DuckDB.

The rows are the sample data's articles, repeated, each with 128 hexadecimal digits of a hash added to its text (so that
it does not compress to nothing), and under fresh keys of 24 hexadecimal digits, as the sample's own are: `ordered` keys
begin with eight digits that count up, as of a clock, with digits of a hash behind them; `random` ones are such digits
only. Spark makes them of nothing but numbers that count up, so that a table of any size needs no data of its size
first; it gets to each size in 20 commits, and is set back to the snapshot of that size to be measured. The batch is
50,000 rows of JSON, of which 1,000 are in the table already: the last ones of the ordered keys, any of the random ones.

Prints progress, and as its last line a JSON object.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ingest_demo import declared_articles, demo
from ingest_session import Session
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs import tables
from lakestack_jobs.catalog import current_snapshot
from lakestack_jobs.ingest import ingest
from lakestack_jobs.objects import Interval
from lakestack_jobs.sources import Source, parse_source

BATCH, KNOWN = 50_000, 1_000
WARM_UP, ROUNDS = 5, 3
KEYS = ("ordered", "random")
DAY = Interval(date(2018, 4, 1), date(2018, 4, 2))
BEGIN = "The tables are made; measuring begins."


def write_batch(session: Session, source: Source, kind: str, size: int) -> Path:
    """The JSON of a batch for a table of a size, as a day of the source; returns the location."""
    location = session.folder / "batches" / f"{kind}-{size}"
    old = (
        session.numbers(size - KNOWN, size)
        if kind == "ordered"
        else session.numbers(0, KNOWN).select((F.col("number") * F.lit(size // KNOWN)).alias("number"))
    )
    numbers = session.numbers(size, size + BATCH - KNOWN).union(old)
    session.rows(source, kind, numbers).coalesce(4).write.json(f"file://{location}/2018/04/01")
    return location


def check(session: Session, source: Source, table: str, keys: DataFrame, *, plain: bool) -> None:
    """The key check alone, of keys that are in memory as they are in a run; plain, Spark joins them with the table."""
    limits = tables._LARGE, tables._VERY_LARGE
    if plain:
        tables._LARGE = tables._VERY_LARGE = 1 << 62
    try:
        snapshot = current_snapshot(session.spark, table)
        found = tables.present_keys(session.spark, table, snapshot, keys, source.key).count()
        assert found == KNOWN, f"{found} keys were found, {KNOWN} are there"
    finally:
        tables._LARGE, tables._VERY_LARGE = limits


@dataclass(frozen=True)
class Prepared:
    """A table of some size, and a batch for it."""

    kind: str
    source: Source
    size: int
    snapshot: int
    batch: Path

    @property
    def table(self) -> str:
        """Its name with its catalog."""
        return f"iceberg.{self.source.table}"


def measure(session: Session, into: Prepared) -> dict[str, dict[str, float]]:
    """What each way takes; each finds the table as it was."""
    spark, source, table, folder = session.spark, into.source, into.table, f"file://{into.batch}/2018/04/01"
    keys = spark.read.schema("id string").json(folder).persist()
    keys.count()
    ways: dict[str, Callable[[], object]] = {
        "key check, whole column": partial(check, session, source, table, keys, plain=True),
        "key check": partial(check, session, source, table, keys, plain=False),
        "batch": lambda: ingest(spark, source, DAY, f"r{time.time()}", location=f"file://{into.batch}/"),
        "batch, as the demo does": partial(demo, spark, source, folder, table),
    }
    found = {}
    for way, work in ways.items():
        table_bytes = session.go_to(table, into.snapshot)
        found[way] = {**session.measured(work), "tableBytes": table_bytes}
    session.go_to(table, into.snapshot)
    keys.unpersist()
    return found


def by_size(session: Session, declared: dict[str, Any], sizes: list[int], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """What a batch costs by the size of the table: the middle of three rounds."""
    prepared = []
    for kind in kinds:
        source = parse_source({**declared, "table": f"bench.{kind}"})
        for before, size in zip([0, *sizes], sizes, strict=False):
            began = time.monotonic()
            snapshot = session.grow(source, kind, before, size)
            print(f"{size:,} rows with {kind} keys: {time.monotonic() - began:.0f} s", flush=True)
            prepared.append(Prepared(kind, source, size, snapshot, write_batch(session, source, kind, size)))
    print(BEGIN, flush=True)
    # What the first queries of a process take for themselves is not the table's.
    for _ in range(WARM_UP):
        measure(session, prepared[0])
    # Java goes on getting faster, batch by batch: all tables have a share of each state that it is in.
    rounds = []
    for number in range(1, ROUNDS + 1):
        rounds.append([measure(session, into) for into in prepared])
        print(f"round {number} of {ROUNDS} is done", flush=True)
    found = []
    for into, *runs in zip(prepared, *rounds, strict=True):
        for way in runs[0]:
            middle = {name: median(run[way][name] for run in runs) for name in runs[0][way]}
            found.append({"keys": into.kind, "rows": into.size, "way": way, **middle})
            print(json.dumps(found[-1]), flush=True)
    return found


def main() -> None:
    """Runs the benchmark in a folder that it may fill."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", required=True, metavar="ROWS", help="of the tables, with commas")
    parser.add_argument("--keys", default=",".join(KEYS), help=f"of the rows, with commas (default {','.join(KEYS)})")
    arguments = parser.parse_args()
    session = Session(arguments.folder)
    declared = declared_articles(arguments.project)
    session.load_articles(arguments.project / "sample-data" / "Media", parse_source(declared))
    results = by_size(session, declared, [int(rows) for rows in arguments.size.split(",")], arguments.keys.split(","))
    print(json.dumps({"batch": BATCH, "cores": session.cores, "results": results}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
