"""publish_<source>, for every declared source whose checks block: publishes a batch that was refused, or drops it."""

from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from lakestack.assets import table_asset
from lakestack.pages import links
from lakestack.sources import Source, load_sources
from lakestack.task_settings import task_settings

DESCRIPTION = """
A batch of **{source}** that its checks have refused stays on a branch of the catalog, which the failed run names, with
the commit by which Trino reads it:

    SELECT * FROM {namespace}."{table}#<commit>"

Trigger this with the branch: `publish` brings the batch to `{namespace}.{table}` as it is, `drop` removes it.
{links}"""


def settle(source: Source) -> Any:  # noqa: ANN401
    """The task that publishes or drops a branch."""

    @task(task_id="settle", pool=source.pool, outlets=[table_asset(source)])
    def settle_branch() -> str:
        """Does it; returns what was done."""
        from airflow.sdk.exceptions import AirflowFailException

        from lakestack.branches import Catalog

        params = get_current_context()["params"]
        branch, catalog = str(params["branch"]), Catalog.of_spark()
        try:
            done = catalog.drop(branch) if params["action"] == "drop" else catalog.publish(branch)
        except LookupError as error:
            raise AirflowFailException(str(error)) from error
        if done:
            return f"{branch}: {'dropped' if params['action'] == 'drop' else 'published'}"
        if params["action"] == "drop":
            raise AirflowFailException(f"The catalog has no branch {branch}.")
        raise AirflowFailException(
            f"{source.table} has been changed since {branch} was made, so that it can't be published as it is. Correct "
            "the data, or declare the check with onFailure: warn, and run the days of the batch again; then drop it."
        )

    return settle_branch()


for source in load_sources():
    if not source.blocks:
        continue
    namespace, table = source.table.split(".")
    with DAG(
        f"publish_{source.name}",
        schedule=None,
        is_paused_upon_creation=False,
        catchup=False,
        max_active_runs=1,
        default_args=task_settings(source),
        doc_md=DESCRIPTION.format(source=source.name, namespace=namespace, table=table, links=links(source)),
        params={
            "branch": Param(
                type="string",
                pattern=f"^audit_{source.name}_[0-9a-f]{{12}}$",
                title="Branch",
                description="As the failed run names it",
            ),
            "action": Param("publish", enum=["publish", "drop"], type="string", title="What to do with it"),
        },
        tags=["lakestack", "checks", source.name],
    ) as dag:
        settle(source)
    globals()[dag.dag_id] = dag
