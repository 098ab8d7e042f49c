"""Tells of a run that has failed: a line in the scheduler's log, and a message to a webhook if one is configured."""

import json
import logging
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger("lakestack.failures")
_SECONDS = 10


def tell_failure(context: Mapping[str, Any]) -> None:
    """
    For `on_failure_callback` of a task, which is called after its last try.

    What is told fits chat services that take a JSON object with `text`, and programs, by its other fields. A webhook
    that does not answer is told in the log and changes nothing else.
    """
    task = context["task_instance"]
    reason = " ".join(str(context.get("exception") or "no reason was given").split())[:1000]
    told = {
        "text": f"{task.dag_id} failed in task {task.task_id} (run {task.run_id}, try {task.try_number}): {reason}",
        "dag": task.dag_id,
        "task": task.task_id,
        "run": task.run_id,
        "try": task.try_number,
        "reason": reason,
        "log": getattr(task, "log_url", None),
    }
    _log.error("LAKESTACK_FAILED %s", told["text"])
    url = _webhook()
    if url is None:
        return
    request = urllib.request.Request(
        url, json.dumps(told).encode(), {"content-type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            _log.info("The webhook has answered %s", response.status)
    except (OSError, ValueError) as error:
        # Its address is a secret: whoever has it can write there.
        _log.error(
            "The webhook could not be told: %s", type(error).__name__ if isinstance(error, ValueError) else error
        )


def _webhook() -> str | None:
    """The address, from the file that $LAKESTACK_FAILURE_WEBHOOK_FILE names."""
    file = os.environ.get("LAKESTACK_FAILURE_WEBHOOK_FILE")
    if file is None or not Path(file).exists():
        return None
    return Path(file).read_text(encoding="utf-8").strip() or None
