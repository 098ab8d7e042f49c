"""create_tables: the table of every declared source, by itself at the first start and whenever the sources change."""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from lakestack.sources import load_sources, sources_version
from lakestack.tables import create_table

DESCRIPTION = """
Creates the table and the namespace of every declared source; what is there already stays as it is.

Runs once by itself when the stack starts for the first time, and again when `pulumi up` has brought other sources. A
table whose columns differ from the declaration fails the run: change `sources.yaml`, or the table with `ALTER TABLE`.
"""

with DAG(
    "create_tables",
    schedule="@once",
    is_paused_upon_creation=False,
    catchup=False,
    max_active_runs=1,
    # Trino may still be starting.
    default_args={"owner": "lakestack", "retries": 20, "retry_delay": timedelta(seconds=10)},
    doc_md=DESCRIPTION,
    tags=["lakestack"],
):

    @task
    def create_all() -> list[str]:
        """Creates every table; returns their names."""
        from airflow.providers.trino.hooks.trino import TrinoHook
        from airflow.sdk.exceptions import AirflowException, AirflowFailException

        expected = (get_current_context()["dag_run"].conf or {}).get("sources")
        if expected is not None and expected != sources_version():
            raise AirflowException("This scheduler does not have the new sources yet: it is about to be replaced.")
        hook = TrinoHook(trino_conn_id="trino_default")
        sources = load_sources()
        results = [
            create_table(lambda sql, values: hook.get_records(sql, values or None), source) for source in sources
        ]
        if differences := [result for result in results if result is not None]:
            raise AirflowFailException(" ".join([*differences, "Change sources.yaml, or the table with ALTER TABLE."]))
        return [source.table for source in sources]

    create_all()
