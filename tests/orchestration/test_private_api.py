"""What is used of Dagster's private parts still does what it is used for, and nobody else uses any."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

import segmentation_assets
from segmentation_assets.orchestration import private_api as api

PACKAGE = Path(segmentation_assets.__file__).parent
ALLOWED = {"orchestration/private_api.py", *(f"running/storage/{name}.py" for name in (
    "databases", "event_log", "storages",
))}  # fmt: skip


def test_private_parts_are_used_in_one_module_and_in_the_storages_alone():
    private = re.compile(r"\bdagster\._|\bdagster_shared\b|\bdagster_\w+\._")
    users = {
        str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py") if private.search(file.read_text("utf-8"))
    }
    assert users == ALLOWED


def test_the_version_is_one_that_was_looked_at():
    """Another minor release: read `private_api` and the docstrings of `running.storage` again, then move this."""
    assert dg.__version__.split(".")[:2] == ["1", "13"]


def test_texts_of_tags_are_those_in_databases():
    assert (api.PARTITION_NAME_TAG, api.ASSET_PARTITION_RANGE_START_TAG, api.ASSET_PARTITION_RANGE_END_TAG) == (
        "dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end",
    )  # fmt: skip
    assert (api.SCHEDULE_NAME_TAG, api.SENSOR_NAME_TAG) == ("dagster/schedule_name", "dagster/sensor_name")
    assert (api.RUN_KEY_TAG, api.SCHEDULED_EXECUTION_TIME_TAG) == (
        "dagster/run_key", ".dagster/scheduled_execution_time",
    )  # fmt: skip
    assert (api.CODE_VERSION_TAG, api.DATA_VERSION_TAG) == ("dagster/code_version", "dagster/data_version")


def test_times_of_a_schedule_lie_strictly_between():
    first, last = datetime(2026, 11, 2, 6, tzinfo=UTC), datetime(2026, 11, 5, 6, tzinfo=UTC)
    days = [tick.day for tick in api.times_between("0 6 * * *", "UTC", first, last)]
    assert days == [3, 4]
    assert api.next_tick("0 6 * * *", "UTC", datetime(2026, 11, 2, 7, tzinfo=UTC)).day == 3


def test_runs_under_way_are_those_that_hold_a_slot():
    assert set(api.IN_PROGRESS_RUN_STATUSES) >= {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING}
    assert not set(api.IN_PROGRESS_RUN_STATUSES) & {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


def test_an_instance_without_a_daemon_has_no_switches(tmp_path: Path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert api.switches(instance) == {}
        assert api.schedule_on_since(instance, "daily") is None
