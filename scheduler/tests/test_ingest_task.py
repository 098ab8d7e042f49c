"""The task around spark-submit, with a script in its place that prints what a job prints."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from lakestack.ingest import IngestOperator
from lakestack.intervals import days_of_month
from lakestack.maintenance import CompactOperator
from lakestack.sources import load_sources

Submit = Callable[[str, int], Path]
media = load_sources()[0]
context: dict[str, Any] = {"run_id": "manual__1", "params": {"month": "2018-04"}}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> IngestOperator:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "spark://m", "port": 7077})
    )
    return IngestOperator(task_id="ingest", source=media, days=days_of_month)


def failure(message: str, *, retry: bool) -> str:
    return f"Traceback …\nat java…\nLAKESTACK_FAILURE {json.dumps({'message': message, 'retry': retry})}\n"


def test_the_counts_are_the_result(task: IngestOperator, spark_submit: Submit) -> None:
    spark_submit('WARN x\nLAKESTACK_RESULT {"inserted": 56}\nbye\n', 0)
    assert task.execute(context) == {"inserted": 56}


def test_a_job_has_one_core_and_the_days_of_the_run(
    task: IngestOperator, spark_submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKESTACK_EXECUTOR_MEMORY", "768m")
    arguments = spark_submit("LAKESTACK_RESULT {}\n", 0)
    task.execute(context)
    given = " ".join(arguments.read_text().splitlines())
    assert given.startswith("--master spark://m:7077 ")
    assert "--conf spark.executor.memory=768m" in given
    assert given.endswith(
        "lakestack_jobs/__main__.py ingest --cores 1 --source media "
        "--start 2018-04-01 --end 2018-05-01 --run-id manual__1"
    )


def test_a_job_has_the_cores_that_its_source_declares_each_with_its_own_memory(
    spark_submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
    source = replace(media, cores=3)
    for task in (
        IngestOperator(task_id="ingest", source=source, days=days_of_month),
        CompactOperator(task_id="compact", source=source),
    ):
        arguments = spark_submit("LAKESTACK_RESULT {}\n", 0)
        task.execute(context)
        given = arguments.read_text().splitlines()
        assert given[given.index("--cores") + 1] == "3"
        assert "spark.executor.cores=1" in given


def test_late_days_are_handed_on(spark_submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
    arguments = spark_submit("LAKESTACK_RESULT {}\n", 0)
    IngestOperator(task_id="ingest", source=media, days=days_of_month, late_days=2).execute(context)
    assert arguments.read_text().splitlines()[-2:] == ["--late-days", "2"]


def test_a_job_that_may_be_done_without_the_cluster_is_told_how_large_its_batch_may_be(
    spark_submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
    monkeypatch.setenv("LAKESTACK_LOCAL_MIB", "16")
    arguments = spark_submit("LAKESTACK_RESULT {}\n", 0)
    IngestOperator(task_id="ingest", source=media, days=days_of_month, local=True).execute(context)
    assert arguments.read_text().splitlines()[-2:] == ["--local-mib", "16"]


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> IngestOperator:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": "local"}))
    return IngestOperator(task_id="ingest", source=media, days=days_of_month, late_days=1, only_new=True)


def reported(files: int, *, committed_before: bool) -> str:
    result = {"files": files, "files_before": 95, "committed_before": committed_before}
    return f"LAKESTACK_RESULT {json.dumps(result)}\n"


def test_only_what_is_new_is_asked_for_where_that_is_wanted(minutes: IngestOperator, spark_submit: Submit) -> None:
    arguments = spark_submit(reported(1, committed_before=False), 0)
    assert minutes.execute(context)["files"] == 1
    assert arguments.read_text().splitlines()[-3:] == ["--late-days", "1", "--only-new"]


def test_without_anything_new_the_task_is_skipped(minutes: IngestOperator, spark_submit: Submit) -> None:
    spark_submit(reported(0, committed_before=False), 0)
    with pytest.raises(AirflowSkipException, match=r"^Nothing new: 95 objects were read before$"):
        minutes.execute(context)


def test_a_second_try_of_a_run_that_had_committed_is_not_skipped(minutes: IngestOperator, spark_submit: Submit) -> None:
    spark_submit(reported(0, committed_before=True), 0)
    assert minutes.execute(context)["committed_before"]


def test_missing_data_fails_at_once_with_the_job_s_sentence(task: IngestOperator, spark_submit: Submit) -> None:
    spark_submit(failure("The prefix s3a://source/Media/2012/01/05/ is empty.", retry=False), 1)
    with pytest.raises(AirflowFailException, match=r"^The prefix s3a://source/Media/2012/01/05/ is empty\.$"):
        task.execute(context)


def test_a_lost_connection_is_left_to_the_retries(task: IngestOperator, spark_submit: Submit) -> None:
    spark_submit(failure("ConnectionError: no answer", retry=True), 1)
    with pytest.raises(AirflowException, match=r"^ConnectionError: no answer$") as raised:
        task.execute(context)
    assert not isinstance(raised.value, AirflowFailException)


def test_a_killed_driver_is_left_to_the_retries(task: IngestOperator, spark_submit: Submit) -> None:
    spark_submit("Initialising\nOutOfMemoryError\n", 137)
    with pytest.raises(AirflowException, match="ended without a result; its last line: OutOfMemoryError"):
        task.execute(context)
