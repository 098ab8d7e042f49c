"""check_<source>, for every declared source with checks: asks Trino whether its table is as it should be."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, get_current_context, task

from lakestack.assets import checked_asset, days_of_events, table_asset
from lakestack.pages import links
from lakestack.quality import keep_verdicts, run_checks
from lakestack.sources import Source, load_sources
from lakestack.task_settings import task_settings

DESCRIPTION = """
Runs the declared checks of `{table}` through Trino: after each batch of **{source}**{hourly}. Batches that end while it
runs are checked together.

Each result is a row of `iceberg.{table}_checks`. A check declared `onFailure: fail` fails the run, and DAGs that wait
for the asset `{table} checked` are not started; the rows stay in the table. Any other is told in the log.
{links}"""


def checks_of(source: Source) -> Callable[[], Any]:
    """The task that runs a source's checks."""

    @task(task_id="check", outlets=[checked_asset(source)])
    def check() -> list[str]:
        """Runs them; returns the verdicts in words."""
        from airflow.providers.trino.hooks.trino import TrinoHook
        from airflow.sdk.exceptions import AirflowFailException

        context: Any = get_current_context()
        events = context["triggering_asset_events"].get(table_asset(source), [])
        days = days_of_events(events)
        hook = TrinoHook(trino_conn_id="trino_default")
        verdicts = run_checks(hook.get_records, source, days)
        keep_verdicts(hook.get_records, source, verdicts, context["run_id"])
        failed = [verdict for verdict in verdicts if not verdict.passed]
        for verdict in verdicts:
            print(f"{'passed' if verdict.passed else 'FAILED'}  {verdict}")
        if fatal := [str(verdict) for verdict in failed if verdict.check.fails]:
            raise AirflowFailException(f"{source.table}: {'; '.join(fatal)}")
        return [f"{'passed' if verdict.passed else 'failed'} {verdict}" for verdict in verdicts]

    return check


for source in load_sources():
    if not source.checked_afterwards:
        continue
    # A table that nobody writes to any more has no batches: its age is asked for by the clock.
    hourly = any(check.kind == "freshness" for check in source.checks)
    batches = [table_asset(source)]
    with DAG(
        f"check_{source.name}",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 * * * *", timezone="UTC"), assets=batches)
        if hourly
        else batches,
        is_paused_upon_creation=False,
        catchup=False,
        max_active_runs=1,
        default_args=task_settings(source),
        doc_md=DESCRIPTION.format(
            source=source.name,
            table=source.table,
            hourly=", and of its age every hour" if hourly else "",
            links=links(source),
        ),
        tags=["lakestack", "checks", source.name],
    ) as dag:
        checks_of(source)()
    globals()[dag.dag_id] = dag
