"""etl_spark_<source>_daily and etl_spark_<source>_monthly, for every declared source."""

from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from lakestack.assets import checked_asset, table_asset
from lakestack.audit import AuditedIngestOperator
from lakestack.ingest import IngestOperator
from lakestack.intervals import MONTH_PATTERN, days_of_month, days_of_run
from lakestack.pages import links
from lakestack.sources import Source, load_sources
from lakestack.task_settings import task_settings

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
    """What the page says of objects that come late."""
    if not source.late_days:
        return "Days before are not read again."
    return f"The {source.late_days} days before are read again, for objects that came late."


def outlets(source: Source) -> list[Asset]:
    """What a batch updates: the table, and where all checks come before it is published, the checked table as well."""
    checked = source.blocks and all(check.blocks for check in source.checks)
    return [table_asset(source), *([checked_asset(source)] if checked else [])]


def ingest(source: Source, **settings: Any) -> IngestOperator:  # noqa: ANN401
    """The task of a pipeline. Where checks block, batches come one after another: each has the table to itself."""
    if source.blocks:
        slots = source.parallel_jobs
        return AuditedIngestOperator(task_id="ingest", source=source, pool_slots=slots, **settings)
    return IngestOperator(task_id="ingest", source=source, **settings)


def pipeline(source: Source, period: str, **settings: Any) -> DAG:  # noqa: ANN401
    """What the daily and the monthly pipeline of a source share."""
    return DAG(
        f"etl_spark_{source.name}_{period}",
        is_paused_upon_creation=True,
        catchup=False,
        # Runs of one source may meet: each row still arrives once.
        max_active_runs=max(4, source.parallel_jobs),
        start_date=source.start_date,
        default_args={**task_settings(source), "pool": source.pool, "outlets": outlets(source)},
        tags=["lakestack", "spark", source.name],
        **settings,
    )


for source in load_sources():
    with pipeline(
        source,
        "daily",
        schedule=CronDataIntervalTimetable(source.schedule, timezone="UTC"),
        doc_md=DAILY.format(source=source.name, table=source.table, late=late(source), links=links(source)),
    ) as daily:
        ingest(source, days=days_of_run, late_days=source.late_days)

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
    ) as monthly:
        ingest(source, days=days_of_month)
    globals().update({daily.dag_id: daily, monthly.dag_id: monthly})
