"""etl_spark_<source>_daily and etl_spark_<source>_monthly, for every declared source."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from lakestack.assets import table_asset
from lakestack.failures import tell_failure
from lakestack.ingest import IngestOperator
from lakestack.intervals import MONTH_PATTERN, days_of_month, days_of_run
from lakestack.pages import links
from lakestack.sources import Source, load_sources

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


def pipeline(source: Source, period: str, **settings: Any) -> DAG:  # noqa: ANN401
    """What the daily and the monthly pipeline of a source share."""
    return DAG(
        f"etl_spark_{source.name}_{period}",
        is_paused_upon_creation=True,
        catchup=False,
        # Runs of one source may meet: each row still arrives once.
        max_active_runs=max(4, source.parallel_jobs),
        start_date=source.start_date,
        default_args={
            "owner": source.owner,
            "retries": source.retries,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": source.timeout,
            "pool": source.pool,
            "on_failure_callback": tell_failure,
            "outlets": [table_asset(source)],
        },
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
        IngestOperator(task_id="ingest", source=source, days=days_of_run, late_days=source.late_days)

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
        IngestOperator(task_id="ingest", source=source, days=days_of_month)
    globals().update({daily.dag_id: daily, monthly.dag_id: monthly})
