"""
The command that a scheduler submits.

    spark-submit lakestack_jobs/__main__.py ingest --source media --start 2018-04-16 --end 2018-04-17
    spark-submit lakestack_jobs/__main__.py replay --source media --reason "column price"
    spark-submit lakestack_jobs/__main__.py compact --source media
    spark-submit lakestack_jobs/__main__.py sweep --source media --keep-days 7
    spark-submit lakestack_jobs/__main__.py serve --socket /tmp/driver

The last one does such jobs as come in at its socket. A job's last line on success is `LAKESTACK_RESULT ` and a JSON
object with the counts; on failure `LAKESTACK_FAILURE ` and a JSON object with a `message` and whether to `retry`, and
the exit code is 1, or 2 if the job does not know why.
"""

import argparse
import json
import math
import os
import sys
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakestack_jobs.catalog import CATALOG
from lakestack_jobs.compaction import Compacted, compact
from lakestack_jobs.ingest import TooLargeError, ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.kept_rows import Selection
from lakestack_jobs.nessie import api_of, states_since
from lakestack_jobs.objects import Interval
from lakestack_jobs.replay import Replayed, discard, replay
from lakestack_jobs.result import Result
from lakestack_jobs.server import REFUSED, serve
from lakestack_jobs.sources import read_source
from lakestack_jobs.sweep import Swept, sweep

RESULT, FAILURE = "LAKESTACK_RESULT", "LAKESTACK_FAILURE"

# An application without others listens to nobody else. With authentication it would make up a secret of its own, which
# Spark then keeps in this process, and the cluster would refuse the next application.
_ALONE = {
    "spark.authenticate": "false",
    "spark.network.crypto.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


# From so much text a core on, executors earn back what Java's second compiler costs them: some 20 s of a core each.
_COMPILED_BYTES = 256 << 20
_COMPILED = {"spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=4"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job that the arguments name; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    if "socket" in parsed:
        serve(parsed.socket, main, _give_memory_back)
        return 0
    try:
        result = parsed.run(parsed)
    except JobError as failure:
        _print_failure(str(failure), retry=False)
        return REFUSED
    except Exception as error:
        traceback.print_exc()
        _print_failure(_first_line(error), retry=True)
        return 2
    print(result)
    print(RESULT, json.dumps(result.as_dict()), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lakestack_jobs")
    jobs = parser.add_subparsers(required=True, metavar="JOB")
    job = jobs.add_parser("ingest", help="read the objects of an interval of days into the table of their source")
    job.set_defaults(run=_run_ingest)
    job.add_argument("--start", required=True, type=date.fromisoformat, help="first day, YYYY-MM-DD")
    job.add_argument("--end", required=True, type=date.fromisoformat, help="the day after the last")
    job.add_argument("--late-days", type=int, default=0, help="days before the first that are read again")
    job.add_argument("--only-new", action="store_true", help="read only objects that the table does not have yet")
    job.add_argument("--run-id", default=f"manual-{uuid.uuid4()}", help="names the run in the tables")
    job.add_argument("--local-mib", type=int, default=0, help="so much text is read here, more of it on the cluster")
    job.add_argument("--catalog-uri", help="where the catalog's tables are, for example on a branch of it")
    job = jobs.add_parser("replay", help="try again the rows that were kept aside")
    job.set_defaults(run=_run_replay)
    job.add_argument("--reason", help="only those whose reason has this text in it")
    job.add_argument("--day", type=date.fromisoformat, help="only those of the objects of this day, YYYY-MM-DD")
    job.add_argument("--repaired", action="store_true", help="only those that a person has repaired")
    job.add_argument("--discard", action="store_true", help="close them without making rows of them")
    job.add_argument("--run-id", default=f"manual-{uuid.uuid4()}", help="names the run in the tables")
    job = jobs.add_parser("compact", help="make few large files out of a table's many small ones")
    job.set_defaults(run=_run_compact)
    job = jobs.add_parser("sweep", help="remove the files that no state of a table needs any more")
    job.set_defaults(run=_run_sweep)
    job.add_argument("--keep-days", type=float, help="how far back the table stays readable (default: as declared)")
    job.add_argument("--orphan-days", type=float, help="how old a file has to be (default: as declared)")
    for job in jobs.choices.values():
        job.add_argument("--source", required=True, help="name of a declared source")
        job.add_argument(
            "--sources",
            type=Path,
            default=Path(os.environ.get("LAKESTACK_SOURCES", "/opt/lakestack/sources.json")),
            help="the declared sources, rendered (default: $LAKESTACK_SOURCES, else /opt/lakestack/sources.json)",
        )
        job.add_argument("--cores", type=int, default=1, help="of the cluster (default 1)")
        job.add_argument(
            "--conf",
            action="append",
            default=[],
            type=_setting,
            metavar="NAME=VALUE",
            help="of Spark, for this job alone",
        )
    job = jobs.add_parser("serve", help="do the jobs that come in at a socket, one after the other")
    job.add_argument("--socket", required=True, type=Path, help="where to make the socket")
    return parser


def _run_ingest(parsed: argparse.Namespace) -> Result:
    interval = Interval(parsed.start, parsed.end)
    source = read_source(parsed.sources, parsed.source)
    name = f"ingest {source.name} {interval}"

    def work(spark: SparkSession, most_bytes: float) -> Result:
        return ingest(
            spark,
            source,
            interval,
            parsed.run_id,
            late_days=parsed.late_days,
            only_new=parsed.only_new,
            most_bytes=most_bytes,
        )

    if parsed.catalog_uri is not None:
        parsed.conf.append((f"spark.sql.catalog.{CATALOG}.uri", parsed.catalog_uri))
    text_bytes = 0
    for most_bytes, session in _sessions_for_batch(parsed, name):
        if text_bytes <= most_bytes:
            try:
                with session as spark:
                    return work(spark, most_bytes)
            except TooLargeError as error:
                text_bytes = error.text_bytes
    raise AssertionError("the last session takes any batch")


def _sessions_for_batch(
    parsed: argparse.Namespace, name: str
) -> Iterator[tuple[float, AbstractContextManager[SparkSession]]]:
    """How much text may be read, and the session for that; the last one is for any batch."""
    if parsed.local_mib:
        # Waiting for an executor takes longer than reading a few files.
        yield parsed.local_mib << 20, _session(parsed, name, local=True)
    yield parsed.cores * _COMPILED_BYTES, _session(parsed, name)
    yield math.inf, _session(parsed, name, _COMPILED)


def _run_replay(parsed: argparse.Namespace) -> Replayed:
    source = read_source(parsed.sources, parsed.source)
    selection = Selection(parsed.reason, parsed.day, parsed.repaired)
    with _session(parsed, f"replay {source.name}") as spark:
        return (discard if parsed.discard else replay)(spark, source, selection, parsed.run_id)


def _run_compact(parsed: argparse.Namespace) -> Compacted:
    source = read_source(parsed.sources, parsed.source)
    with _session(parsed, f"compact {source.name}") as spark:
        return compact(spark, source)


def _run_sweep(parsed: argparse.Namespace) -> Swept:
    source = read_source(parsed.sources, parsed.source)
    keep_days = source.maintenance.keep_days if parsed.keep_days is None else parsed.keep_days
    orphan_days = source.maintenance.orphan_days if parsed.orphan_days is None else parsed.orphan_days
    now = datetime.now(UTC)
    with _session(parsed, f"sweep {source.name}") as spark:

        def states() -> list[str]:
            since = now - timedelta(days=keep_days)
            return [state.metadata for state in states_since(api_of(spark), source.table, since)]

        written_before = now - timedelta(days=orphan_days)
        return sweep(spark, source.name, f"{CATALOG}.{source.table}", states, written_before)


@contextmanager
def _session(
    parsed: argparse.Namespace, name: str, settings: Mapping[str, str] | None = None, *, local: bool = False
) -> Iterator[SparkSession]:
    """A job's Spark application, on the cluster or, if `local`, in this process."""
    builder = SparkSession.builder.appName(name).config("spark.cores.max", str(parsed.cores))
    if local:
        builder = builder.master(f"local[{parsed.cores}]")
    for setting, value in [*(settings or {}).items(), *parsed.conf, *(_ALONE.items() if local else ())]:
        builder = builder.config(setting, value)
    spark = builder.getOrCreate()
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        yield spark
    finally:
        spark.stop()


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.startswith("spark."):
        raise argparse.ArgumentTypeError(f'"{text}" is no setting of Spark, expected spark.NAME=VALUE')
    return name, value


def _give_memory_back() -> None:
    """What the job's application held; the JVM would keep it until it needs it itself."""
    gateway: Any = SparkContext._gateway
    if gateway is not None:
        gateway.jvm.java.lang.System.gc()


def _print_failure(message: str, *, retry: bool) -> None:
    sys.stderr.flush()
    print(FAILURE, json.dumps({"message": message, "retry": retry}), flush=True)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:500]}"


if __name__ == "__main__":
    sys.exit(main())
