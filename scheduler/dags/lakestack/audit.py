"""The task that ingests on a branch, and publishes the batch when its checks have passed."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lakestack.branches import Catalog, branch_name
from lakestack.ingest import IngestOperator
from lakestack.quality import keep_verdicts, run_checks
from lakestack.sources import Source

# As often a batch is done again because others have changed the table meanwhile.
_ATTEMPTS = 5


class AuditedIngestOperator(IngestOperator):
    """
    Ingests days of a source whose checks block: the rows are written to a branch of the catalog, Trino is asked about
    them there, and readers see them when all checks have passed. A refused batch stays on its branch.
    """

    def __init__(self, *, source: Source, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(source=source, **kwargs)
        self.declared = source
        self._uri: str | None = None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Writes, audits and publishes; once more if the table was changed by others meanwhile."""
        catalog = Catalog.of_spark()
        branch = branch_name(self.source, context["run_id"])
        self._uri = catalog.uri_of(branch)
        for _ in range(_ATTEMPTS):
            catalog.begin(branch)
            try:
                result = super().execute(context)
            except Exception:
                # There is no batch to look at: none came, or it was not committed.
                catalog.drop(branch)
                raise
            self._audit(branch, catalog.state(branch), result, context["run_id"])
            if catalog.publish(branch):
                return result
            self.log.info("%s was changed by others meanwhile: the batch is done again", self.declared.table)
        raise AirflowException(
            f"{self.declared.table} was changed by others {_ATTEMPTS} times while a batch was checked."
        )

    def job(self, context: Mapping[str, Any]) -> list[str]:
        """The same job, on the branch."""
        return [*super().job(context), "--catalog-uri", str(self._uri)]

    def _audit(self, branch: str, state: str, result: Mapping[str, Any], run_id: str) -> None:
        """Asks Trino about the batch, and keeps what it has found where all can see it."""
        from airflow.providers.trino.hooks.trino import TrinoHook

        hook = TrinoHook(trino_conn_id="trino_default")
        days = (date.fromisoformat(result["start"]), date.fromisoformat(result["end"]))
        verdicts = run_checks(hook.get_records, self.declared, days, blocking=True, state=state)
        keep_verdicts(hook.get_records, self.declared, verdicts, run_id)
        for verdict in verdicts:
            self.log.info("%s  %s", "passed" if verdict.passed else "FAILED", verdict)
        if refused := [str(verdict) for verdict in verdicts if not verdict.passed]:
            namespace, table = self.declared.table.split(".")
            raise AirflowFailException(
                f"{self.declared.table}: {'; '.join(refused)}. Nothing was published. The batch is in "
                f'{namespace}."{table}#{state}"; publish or drop it by the DAG publish_{self.source} with '
                f'{{"branch": "{branch}"}}, or correct the data and run this again.'
            )
