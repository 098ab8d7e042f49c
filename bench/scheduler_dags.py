"""DAGs of tasks that do nothing, for `npm run bench:scheduler`: it uploads this file to its own stack and no other."""

from airflow.sdk import DAG, task

TASKS = 40


@task
def nothing(number: int) -> None:
    """What is left is Airflow's own work."""


# All at once, and no limit but the scheduler's own.
with DAG("bench_many", schedule=None, catchup=False, max_active_tasks=TASKS, max_active_runs=1):
    nothing.expand(number=list(range(TASKS)))

with DAG("bench_one", schedule=None, catchup=False, max_active_runs=1):
    nothing(0)
