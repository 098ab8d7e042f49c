"""
etl_spark_<source>_daily and etl_spark_<source>_monthly for every declared source, and etl_spark_<source>_incremental
for those whose schedule is every some minutes.
"""

from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from lakestack.assets import checked_asset, table_asset
from lakestack.audit import AuditedIngestOperator
from lakestack.ingest import IngestOperator
from lakestack.intervals import MONTH_PATTERN, days_of_month, days_of_run
from lakestack.pages import links
from lakestack.sources import Source, load_sources
from lakestack.task_settings import task_settings

# Of the daily pipeline of a source that has an incremental one.
NIGHTLY = "0 1 * * *"

INCREMENTAL = """
Ingests what is new from **{source}** into `{table}`: looks at the day of its data interval and at {late_days} before,
and reads the objects that the table does not have yet, or not with their present content. Without any it is skipped.

One run at a time: what comes while it works is read by the next one. A run that you trigger looks at the day of its
*logical date*. To read whole days again, whatever was read before, use `etl_spark_{source}_daily`.
{links}"""

DAILY = """
Ingests the days of its data interval from **{source}** into `{table}`: of each day's run, the day before.

A run that you trigger ingests the day of its *logical date*. Run again, a day adds nothing. A day without objects fails
at once and says which prefix was empty, unless the source is declared with `onEmpty: skip`. For many days, trigger
`etl_spark_{source}_monthly`, or create a backfill here. {late}
{links}"""

MONTHLY = """
Ingests one month from **{source}** into `{table}`, as one Spark job. Trigger it with the parameter `month`, for example
`{{"month": "2018-04"}}`. Run again, a month adds nothing.
{links}"""


def late(source: Source) -> str:
    """What the page of the daily pipeline says of objects that come late, and of those that were read before."""
    if source.incremental:
        return (
            "It reads whole days, whatever the incremental pipeline has read. That one reads late objects; this one is "
            "for backfills and repairs, and need not be switched on for anything else."
        )
    if not source.late_days:
        return "Days before are not read again."
    return f"The {source.late_days} days before are read again, for objects that came late."


def outlets(source: Source) -> list[Asset]:
    """What a batch updates: the table, and where all checks come before it is published, the checked table as well."""
    checked = source.blocks and not source.checked_afterwards
    return [table_asset(source), *([checked_asset(source)] if checked else [])]


def ingest(source: Source, **settings: Any) -> IngestOperator:  # noqa: ANN401
    """The task of a pipeline. Where checks block, batches come one after another: each has the table to itself."""
    if source.blocks:
        slots = source.parallel_jobs
        return AuditedIngestOperator(task_id="ingest", source=source, pool_slots=slots, **settings)
    return IngestOperator(task_id="ingest", source=source, **settings)


def pipeline(source: Source, period: str, **settings: Any) -> DAG:  # noqa: ANN401
    """What all pipelines of a source share."""
    shared: dict[str, Any] = {
        "is_paused_upon_creation": True,
        "catchup": False,
        # Runs of one source may meet: each row still arrives once.
        "max_active_runs": max(4, source.parallel_jobs),
        "start_date": source.start_date,
        "default_args": {**task_settings(source), "pool": source.pool, "outlets": outlets(source)},
        "tags": ["lakestack", "spark", source.name],
    }
    return DAG(f"etl_spark_{source.name}_{period}", **{**shared, **settings})


def incremental_pipeline(source: Source) -> DAG:
    """Runs every some minutes, and reads only what is new."""
    days = "the day" if source.late_days == 1 else f"the {source.late_days} days"
    with pipeline(
        source,
        "incremental",
        schedule=CronDataIntervalTimetable(source.schedule, timezone="UTC"),
        # A second one would read the same objects while the first has not committed them.
        max_active_runs=1,
        is_paused_upon_creation=not source.switched_on,
        doc_md=INCREMENTAL.format(source=source.name, table=source.table, late_days=days, links=links(source)),
    ) as dag:
        ingest(source, days=days_of_run, late_days=source.late_days, only_new=True, local=True)
    return dag


def daily_pipeline(source: Source) -> DAG:
    """Runs once a day, and reads the day before."""
    schedule = NIGHTLY if source.incremental else source.schedule
    with pipeline(
        source,
        "daily",
        schedule=CronDataIntervalTimetable(schedule, timezone="UTC"),
        is_paused_upon_creation=source.incremental or not source.switched_on,
        doc_md=DAILY.format(source=source.name, table=source.table, late=late(source), links=links(source)),
    ) as dag:
        late_days = 0 if source.incremental else source.late_days
        ingest(source, days=days_of_run, late_days=late_days, local=True)
    return dag


def monthly_pipeline(source: Source) -> DAG:
    """Reads a month when somebody asks for it."""
    with pipeline(
        source,
        "monthly",
        schedule=None,
        doc_md=MONTHLY.format(source=source.name, table=source.table, links=links(source)),
        params={
            "month": Param(
                type="string", pattern=MONTH_PATTERN, title="Month", description="The month to ingest, YYYY-MM"
            )
        },
    ) as dag:
        ingest(source, days=days_of_month)
    return dag


for source in load_sources():
    pipelines = [daily_pipeline(source), monthly_pipeline(source)]
    if source.incremental:
        pipelines.append(incremental_pipeline(source))
    globals().update({dag.dag_id: dag for dag in pipelines})
