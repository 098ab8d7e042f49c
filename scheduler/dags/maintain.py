"""maintain_<source>, for every declared source: looks after its table."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, task

from lakestack.maintenance import CompactOperator, SweepOperator
from lakestack.pages import links
from lakestack.sources import Source, load_sources
from lakestack.tables import table_name
from lakestack.task_settings import task_settings

DESCRIPTION = """
Looks after `{table}`, the table of **{source}**:

1. `compact` makes few large files out of many small ones, and few manifests out of many.
2. `sweep` removes the files that no state of the table of the last {keep_days:g} days needs, and what runs that died
   have left. Trigger it with another `keep_days` to free space at once: then older states can no longer be read.
3. `analyze` lets Trino collect statistics about the columns.

Batches wait while the first two work; queries that have begun go on. Nothing is lost when it is interrupted, or run
again. What each did is its return value.
{links}"""


def analyze(source: Source) -> Any:  # noqa: ANN401
    """The task that lets Trino collect statistics."""

    @task(task_id="analyze", pool=source.pool)
    def collect() -> dict[str, Any]:
        """Collects them; returns how many columns have a count of distinct values."""
        from airflow.providers.trino.hooks.trino import TrinoHook

        name = table_name(source)
        hook = TrinoHook(trino_conn_id="trino_default")
        hook.run(f"ANALYZE {name}", handler=list)
        rows = hook.get_records(f"SHOW STATS FOR {name}")
        return {"rows": int(rows[-1][4] or 0), "columns": sum(row[2] is not None for row in rows)}

    return collect()


for source in load_sources():
    with DAG(
        f"maintain_{source.name}",
        # Not for a night that has just been: a stack that comes up in the morning has other things to do first.
        schedule=CronTriggerTimetable(source.maintenance_schedule, timezone="UTC", run_immediately=timedelta(0)),
        is_paused_upon_creation=False,
        catchup=False,
        max_active_runs=1,
        default_args=task_settings(source),
        doc_md=DESCRIPTION.format(
            source=source.name, table=source.table, keep_days=source.keep_days, links=links(source)
        ),
        params={
            "keep_days": Param(
                source.keep_days,
                type="number",
                minimum=0,
                title="Days kept",
                description="How far back the table can be read as it was, once this run is over",
            ),
            "orphan_days": Param(
                source.orphan_days,
                type="number",
                minimum=0,
                title="Age of files, days",
                description="Younger files stay: they may belong to something that is being written. Batches wait "
                "while this runs; 0 is safe if nobody else writes to the table",
            ),
        },
        tags=["lakestack", "maintenance", source.name],
    ) as dag:
        # All places of the pool: a batch that is committed meanwhile would make it begin anew (decision 0028).
        compact = CompactOperator(task_id="compact", source=source, pool=source.pool, pool_slots=source.parallel_jobs)
        swept = SweepOperator(task_id="sweep", source=source, pool=source.pool, pool_slots=source.parallel_jobs)
        compact >> swept
        if source.analyzes:
            swept >> analyze(source)
    globals()[dag.dag_id] = dag
