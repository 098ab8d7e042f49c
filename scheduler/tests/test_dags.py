"""The DAGs as Airflow's DAG processor finds them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from conftest import dags


def load() -> BundleDagBag:
    return BundleDagBag(dag_folder=str(dags), bundle_path=dags, bundle_name="dags")


def schedule_of(dag: DAG) -> str:
    """As the scheduler sees it, and the page shows it."""
    summary: str = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.summary
    return summary


def in_order(dag: DAG) -> list[Any]:
    """Its tasks, each after those that it waits for."""
    return list(dag.topological_sort())  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def bag() -> BundleDagBag:
    return load()


def test_all_files_load_without_an_error(bag: BundleDagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == [
        "create_tables",
        "etl_spark_media_daily",
        "etl_spark_media_monthly",
        "etl_spark_tiktokcomment_daily",
        "etl_spark_tiktokcomment_monthly",
        "maintain_media",
        "maintain_tiktokcomment",
        "replay_media",
        "replay_tiktokcomment",
    ]


def test_tables_are_made_and_looked_after_without_being_asked(bag: BundleDagBag) -> None:
    unpaused = sorted(name for name, dag in bag.dags.items() if not dag.is_paused_upon_creation)
    replays = ["replay_media", "replay_tiktokcomment"]
    assert unpaused == ["create_tables", "maintain_media", "maintain_tiktokcomment", *replays]
    assert schedule_of(bag.dags["create_tables"]) == "@once"


@pytest.mark.parametrize("source", ["media", "tiktokcomment"])
def test_a_daily_pipeline_ingests_from_one_to_one_o_clock(bag: BundleDagBag, source: str) -> None:
    dag = bag.dags[f"etl_spark_{source}_daily"]
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert schedule_of(dag) == "0 1 * * *"
    assert not dag.catchup
    assert dag.max_active_runs > 1


@pytest.mark.parametrize("source", ["media", "tiktokcomment"])
def test_a_monthly_pipeline_waits_for_a_month(bag: BundleDagBag, source: str) -> None:
    dag = bag.dags[f"etl_spark_{source}_monthly"]
    assert schedule_of(dag) == "None"
    assert dag.max_active_runs > 1
    with pytest.raises(ParamValidationError):
        dag.params.validate()


@pytest.mark.parametrize(
    ("month", "good"), [("2018-04", True), ("2018-13", False), ("2018-4", False), ("april", False)]
)
def test_a_month_is_checked(bag: BundleDagBag, month: str, good: bool) -> None:
    param = bag.dags["etl_spark_media_monthly"].params.get_param("month")
    if good:
        assert param.resolve(month) == month
    else:
        with pytest.raises(ParamValidationError):
            param.resolve(month)


def test_each_pipeline_is_one_task_with_retries(bag: BundleDagBag) -> None:
    for name, dag in bag.dags.items():
        if name.startswith("etl_"):
            [task] = dag.tasks
            assert (task.task_id, task.retries, task.retry_delay) == ("ingest", 2, timedelta(minutes=1))


def test_a_third_source_has_its_pipelines(declare: Callable[..., Path]) -> None:
    declared = {"schedule": "30 4 * * 1", "owner": "audio", "startDate": "2020-02-01", "retries": 5, "lateDays": 3}
    declare({"name": "podcasts", "cores": 2, **declared})
    bag = load()
    assert bag.import_errors == {}
    daily = bag.dags["etl_spark_podcasts_daily"]
    assert schedule_of(daily) == "30 4 * * 1"
    assert daily.owner == "audio"
    assert daily.start_date == datetime(2020, 2, 1, tzinfo=UTC)
    assert daily.task_dict["ingest"].retries == 5
    assert getattr(daily.task_dict["ingest"], "cores", None) == 2
    assert getattr(daily.task_dict["ingest"], "late_days", None) == 3
    assert "The 3 days before are read again" in (daily.doc_md or "")
    monthly = bag.dags["etl_spark_podcasts_monthly"]
    assert getattr(monthly.task_dict["ingest"], "late_days", None) == 0, "a month is read once"
    assert len(bag.dags) == 13


def test_a_source_that_is_switched_on_runs_by_its_schedule_and_nothing_more(declare: Callable[..., Path]) -> None:
    every_quarter = {"schedule": "*/15 * * * *", "incremental": True, "lateDays": 1}
    declare({"name": "nightly", "switchedOn": True}, {"name": "live", "switchedOn": True, **every_quarter})
    bag = load()
    running = sorted(name for name, dag in bag.dags.items() if "etl" in name and not dag.is_paused_upon_creation)
    assert running == ["etl_spark_live_incremental", "etl_spark_nightly_daily"]


def test_the_audit_log_is_told_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tell_audit" not in load().dags
    monkeypatch.setenv("LAKESTACK_AUDIT_URL", "http://audit:8080/actions")
    bag = load()
    assert bag.import_errors == {}
    dag = bag.dags["tell_audit"]
    assert (schedule_of(dag), dag.is_paused_upon_creation, dag.catchup) == ("50 11,23 * * *", False, False)


def test_a_source_of_minutes_has_a_pipeline_that_reads_what_is_new_one_run_at_a_time(
    declare: Callable[..., Path],
) -> None:
    declare({"name": "live", "table": "newtral.live", "schedule": "*/15 * * * *", "incremental": True, "lateDays": 2})
    bag = load()
    assert bag.import_errors == {}
    dag = bag.dags["etl_spark_live_incremental"]
    assert (schedule_of(dag), dag.catchup, dag.max_active_runs) == ("*/15 * * * *", False, 1)
    assert dag.is_paused_upon_creation
    [task] = dag.tasks
    assert (getattr(task, "only_new", None), getattr(task, "late_days", None)) == (True, 2)
    assert (task.pool, [asset.name for asset in task.outlets]) == ("source_live", ["newtral.live"])
    assert "and at the 2 days before" in (dag.doc_md or "")
    assert "(/dags/etl_spark_live_incremental)" in (bag.dags["maintain_live"].doc_md or "")


def test_its_other_pipelines_read_whole_days(declare: Callable[..., Path]) -> None:
    declare({"name": "live", "table": "newtral.live", "schedule": "*/15 * * * *", "incremental": True, "lateDays": 1})
    bag = load()
    assert schedule_of(bag.dags["etl_spark_live_daily"]) == "0 1 * * *"
    for period in ("daily", "monthly"):
        [task] = bag.dags[f"etl_spark_live_{period}"].tasks
        assert (getattr(task, "only_new", None), getattr(task, "late_days", None)) == (False, 0)
    assert "etl_spark_media_incremental" not in bag.dags, "it runs once a day"


def test_a_table_is_compacted_with_the_whole_pool_and_then_swept_and_analyzed(bag: BundleDagBag) -> None:
    dag = bag.dags["maintain_media"]
    assert schedule_of(dag) == "30 3 * * *"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert [(task.task_id, task.pool, task.pool_slots) for task in in_order(dag)] == [
        ("compact", "source_media", 4),
        ("sweep", "source_media", 4),
        ("analyze", "source_media", 1),
    ]


POLICY = {
    "compaction": "bin-pack",
    "targetFileMiB": 256,
    "smallFiles": 10,
    "keepDays": 2,
    "orphanDays": 1,
    "analyze": False,
}


def test_maintenance_is_done_as_declared(declare: Callable[..., Path]) -> None:
    declare(maintenance={**POLICY, "schedule": "0 */6 * * *"}, parallelJobs=2, timeoutMinutes=90)
    dag = load().dags["maintain_media"]
    assert schedule_of(dag) == "0 */6 * * *"
    assert (dag.params["keep_days"], dag.params["orphan_days"]) == (2, 1)
    assert "of the last 2 days" in (dag.doc_md or "")
    assert [task.task_id for task in in_order(dag)] == ["compact", "sweep"]
    assert dag.task_dict["compact"].pool_slots == 2
    assert dag.task_dict["compact"].execution_timeout == timedelta(minutes=90)


def test_a_stack_that_comes_up_after_the_hour_of_maintenance_waits_for_the_next(declare: Callable[..., Path]) -> None:
    now = datetime.now(UTC)
    a_minute_ago = now - timedelta(minutes=1)
    declare(maintenance={**POLICY, "schedule": f"{a_minute_ago.minute} {a_minute_ago.hour} * * *"})
    dag = DagSerialization.from_dict(DagSerialization.to_dict(load().dags["maintain_media"]))
    first = dag.timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert first is not None
    assert first.run_after > now


def test_every_batch_is_told_to_those_who_wait_for_the_table(bag: BundleDagBag) -> None:
    for period in ("daily", "monthly"):
        [task] = bag.dags[f"etl_spark_media_{period}"].tasks
        assert [(asset.name, asset.uri) for asset in task.outlets] == [
            ("newtral.media", "lakestack://iceberg/newtral/media")
        ]


def test_every_job_has_a_timeout_growing_pauses_and_somebody_who_is_told(bag: BundleDagBag) -> None:
    for name, dag in bag.dags.items():
        if name != "create_tables":
            for task in dag.tasks:
                assert task.execution_timeout == timedelta(hours=6)
                assert task.retry_exponential_backoff
                assert task.on_failure_callback
                assert task.pool.startswith("source_")


CHECKS = [
    {"check": "unique", "columns": ["id"], "onFailure": "fail"},
    {"check": "rowCount", "least": 50, "onFailure": "warn"},
]
FRESHNESS = {"check": "freshness", "columns": ["created_at_etl"], "hours": 30, "onFailure": "warn"}


def test_checks_wait_for_the_table_s_asset_and_have_one_of_their_own(declare: Callable[..., Path]) -> None:
    declare(checks=CHECKS)
    bag = load()
    assert bag.import_errors == {}
    dag = bag.dags["check_media"]
    assert "check_tiktokcomment" not in bag.dags, "it has none"
    assert not dag.is_paused_upon_creation
    assert schedule_of(dag) == "Asset"
    [task] = dag.tasks
    assert [asset.name for asset in task.outlets] == ["newtral.media checked"]
    assert "(/dags/check_media)" in (bag.dags["maintain_media"].doc_md or "")


BLOCKING = {"check": "notNull", "columns": ["id"], "onFailure": "block"}


def test_a_source_whose_checks_block_has_its_batches_one_after_another_and_a_way_to_settle_refused_ones(
    declare: Callable[..., Path],
) -> None:
    declare(checks=[BLOCKING])
    bag = load()
    assert bag.import_errors == {}
    for period in ("daily", "monthly"):
        [task] = bag.dags[f"etl_spark_media_{period}"].tasks
        assert type(task).__name__ == "AuditedIngestOperator"
        assert (task.task_id, task.pool, task.pool_slots) == ("ingest", "source_media", 4)
        assert [asset.name for asset in task.outlets] == ["newtral.media", "newtral.media checked"]
    assert "check_media" not in bag.dags, "all its checks come before the batch is published"
    assert type(bag.dags["etl_spark_tiktokcomment_daily"].tasks[0]).__name__ == "IngestOperator"
    publish = bag.dags["publish_media"]
    assert "publish_tiktokcomment" not in bag.dags
    assert publish.params.get_param("branch").resolve("audit_media_0123456789ab") == "audit_media_0123456789ab"
    for branch in ("main", "audit_tiktokcomment_0123456789ab"):
        with pytest.raises(ParamValidationError):
            publish.params.get_param("branch").resolve(branch)
    assert "(/dags/publish_media)" in (bag.dags["maintain_media"].doc_md or "")


def test_checks_that_block_leave_the_others_to_their_own_run(declare: Callable[..., Path]) -> None:
    declare(checks=[BLOCKING, *CHECKS])
    bag = load()
    assert "check_media" in bag.dags
    [task] = bag.dags["etl_spark_media_daily"].tasks
    assert [asset.name for asset in task.outlets] == ["newtral.media"]


def test_the_age_of_a_table_is_asked_for_by_the_clock(declare: Callable[..., Path]) -> None:
    declare(checks=[*CHECKS, FRESHNESS])
    assert "0 * * * *" in schedule_of(load().dags["check_media"])


@pytest.mark.parametrize("name", ["etl_spark_media_daily", "etl_spark_media_monthly", "maintain_media", "replay_media"])
def test_a_page_links_to_what_belongs_to_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKESTACK_SPARK_PAGES", '{"history": "http://localhost:18080"}')
    text = load().dags[name].doc_md or ""
    assert "`iceberg.newtral.media_quarantine`" in text
    assert "[ended](http://localhost:18080)" in text
    assert "(/dags/maintain_media)" in text


@pytest.mark.parametrize("content", ["[{", '{"sources": 1}', '[{"name": "media"}]'])
def test_a_broken_file_of_sources_is_named(declare: Callable[..., Path], content: str) -> None:
    file = declare()
    file.write_text(content)
    errors = load().import_errors
    assert sorted(Path(name).name for name in errors) == [
        "check.py",
        "etl_spark.py",
        "maintain.py",
        "publish.py",
        "replay.py",
    ]
    error = next(iter(errors.values()))
    assert f"{file} does not hold the declared sources" in error
    assert "run pulumi up" in error
