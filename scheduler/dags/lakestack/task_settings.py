"""What the tasks of all pipelines of a source share."""

from datetime import timedelta
from typing import Any

from lakestack.failures import tell_failure
from lakestack.sources import Source


def task_settings(source: Source) -> dict[str, Any]:
    """
    For `default_args` of a DAG: whose task it is, how often and when it is tried again, when it is ended, and who is
    told that it has failed.
    """
    return {
        "owner": source.owner,
        "retries": source.retries,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": source.timeout,
        "on_failure_callback": tell_failure,
    }
