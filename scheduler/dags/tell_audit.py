"""tell_audit, where the stack has an audit log: tells it twice a day what was done in Airflow."""

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task

from lakestack.failures import tell_failure

DESCRIPTION = """
Tells the audit log what was done in Airflow: by whom, when, to which DAG. It comes from Airflow's own log (*Browse*,
*Audit log*), and `etl_spark_audit_actions_incremental` brings it into `audit.actions`, which only administrators read.

A run tells all since the last one that has succeeded; without one, of a week. Nothing is in the table twice.
"""

URL = os.environ.get("LAKESTACK_AUDIT_URL")
SECRETS = Path("/run/secrets")
# As far back as the pipeline looks that reads what is told.
LONGEST_ABSENCE = timedelta(days=7)
# What a transaction has written that took so long is there now, with the time at which it was done.
LONGEST_TRANSACTION = timedelta(hours=1)

if URL is not None:
    with DAG(
        "tell_audit",
        # Before the pipeline that reads what it tells.
        schedule=CronTriggerTimetable("50 11,23 * * *", timezone="UTC"),
        is_paused_upon_creation=False,
        catchup=False,
        max_active_runs=1,
        default_args={
            "owner": "lakestack",
            "retries": 5,
            "retry_delay": timedelta(minutes=1),
            "on_failure_callback": tell_failure,
        },
        doc_md=DESCRIPTION,
        tags=["lakestack"],
    ):

        @task
        def tell(url: str) -> int:
            """Returns how many actions were told."""
            from lakestack import actions

            context = get_current_context()
            since = context.get("prev_start_date_success") or context["dag_run"].run_after - LONGEST_ABSENCE
            database = (SECRETS / "airflow-database").read_text(encoding="utf-8").strip()
            found = actions.actions_since(database, since - LONGEST_TRANSACTION)
            return actions.tell(url, SECRETS / "audit-token", found)

        tell(URL)
