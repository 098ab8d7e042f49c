"""replay_<source>, for every declared source: tries again the rows that were kept aside."""

from airflow.sdk import DAG, Param

from lakestack.assets import table_asset
from lakestack.pages import links
from lakestack.replay import ReplayOperator
from lakestack.sources import load_sources
from lakestack.task_settings import task_settings

DESCRIPTION = """
Tries the open entries of `{table}_quarantine` again, as **{source}** is declared now: with the `repaired_text` that a
person has given, else with the line as it was. What fits now comes into `{table}` in one commit, through the same
checks of types and keys as a batch; its entry is closed. What does not fit stays open, with its reason of now.

`npm run source:replay -- {source}` shows what is open, takes repaired rows from a file, and starts this. Run again, it
adds nothing. Without parameters it tries all open entries.
{links}"""

for source in load_sources():
    with DAG(
        f"replay_{source.name}",
        schedule=None,
        is_paused_upon_creation=False,
        catchup=False,
        max_active_runs=1,
        default_args={**task_settings(source), "pool": source.pool, "outlets": [table_asset(source)]},
        doc_md=DESCRIPTION.format(source=source.name, table=source.table, links=links(source)),
        params={
            "reason": Param(
                None,
                type=["null", "string"],
                title="Reason",
                description="Only entries whose reason has this text in it",
            ),
            "day": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Day",
                description="Only entries of the objects of this day",
            ),
            "repaired": Param(
                False,
                type="boolean",
                title="Repaired only",
                description="Only entries that have a repaired text",
            ),
            "discard": Param(
                False,
                type="boolean",
                title="Discard",
                description="Close the entries without making rows of them; name a reason or a day",
            ),
        },
        tags=["lakestack", "replay", source.name],
    ) as dag:
        ReplayOperator(task_id="replay", source=source)
    globals()[dag.dag_id] = dag
