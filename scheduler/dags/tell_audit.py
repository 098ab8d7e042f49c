"""tell_audit, where the stack has an audit log: tells it once a day what was done in Airflow."""

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, CronDataIntervalTimetable, get_current_context, task

from lakestack.failures import tell_failure

DESCRIPTION = """
Tells the audit log what was done in Airflow: by whom, when, to which DAG. It comes from Airflow's own log (*Browse*,
*Audit log*), and `etl_spark_audit_actions_daily` brings it into `audit.actions`, which only administrators read.

A run tells all since the beginning of its data interval; one that you trigger, of the day before its logical date.
Nothing is there twice.
"""

URL = os.environ.get("LAKESTACK_AUDIT_URL")
SECRETS = Path("/run/secrets")
# What a transaction has written that took so long is there now, with the time at which it was done.
LONGEST_TRANSACTION = timedelta(hours=1)

if URL is not None:
    with DAG(
        "tell_audit",
        # Before the pipeline that reads what it tells.
        schedule=CronDataIntervalTimetable("20 0 * * *", timezone="UTC"),
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

            run = get_current_context()["dag_run"]
            start = run.data_interval_start or run.run_after - timedelta(days=1)
            database = (SECRETS / "airflow-database").read_text(encoding="utf-8").strip()
            found = actions.actions_since(database, start - LONGEST_TRANSACTION)
            return actions.tell(url, SECRETS / "audit-token", found)

        tell(URL)
