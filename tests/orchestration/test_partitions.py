"""Days as partitions: what a run asks for survives its tags, and look-back windows hold what is read."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.orchestration.partitions import (
    ALSO_TAG,
    as_of_partitions,
    days_of_run,
    look_back_mapping,
    partitions_of_run,
    request_for,
    tags_of_run,
)
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import last, months_ago
from tests.orchestration.fakes import grid_and_day

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(st.sets(DAYS, max_size=30), DAYS, st.integers(0, 40))
def test_the_days_of_a_run_survive_its_tags(scattered: set[date], start: date, length: int):
    days = scattered | {start + timedelta(days=i) for i in range(length)}
    tags = tags_of_run(days)
    assert days_of_run(tags) == sorted(days)
    if days:
        assert partitions_of_run(tags)[-1] == max(days)


def test_one_day_is_one_partition():
    assert tags_of_run([date(2026, 3, 31)]) == {"dagster/partition": "2026-03-31"}


def test_a_stretch_is_a_range_and_what_lies_before_it_comes_beside():
    days = [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 30), date(2026, 3, 31)]
    assert tags_of_run(days) == {
        "dagster/asset_partition_range_start": "2026-03-30",
        "dagster/asset_partition_range_end": "2026-03-31",
        ALSO_TAG: "2026-01-31,2026-02-28",
    }


def test_no_days_are_no_tags():
    assert tags_of_run([]) == {}
    assert days_of_run({}) == []


def test_partitions_reach_from_the_policys_first_day_to_yesterday():
    policy = load_policy()
    days = as_of_partitions(policy)
    assert days.get_first_partition_key() == "2020-01-01"
    before = policy.company.today()
    last = days.get_last_partition_key()
    assert last in {str(day - timedelta(days=1)) for day in (before, policy.company.today())}


def test_a_run_for_today_is_yesterdays_which_computes_today_besides():
    today = date(2026, 11, 28)
    partition, also = request_for(today, today)
    assert (partition, days_of_run({"dagster/partition": partition, **also})) == (
        "2026-11-27", [date(2026, 11, 27), today],
    )  # fmt: skip
    assert request_for(date(2026, 11, 26), today) == ("2026-11-26", {})


@pytest.mark.parametrize(
    ("reads", "behind"),
    [
        (last(28), 27),
        (months_ago(12), 366),
        # Furthest at the end of a quarter of 92 days, after one as long that begins on a Monday: 2024-12-31 reads
        # back to 2024-07-01, 184 days with both.
        (grid_and_day, 183),
    ],
)
def test_the_window_holds_every_day_read(reads, behind: int):
    mapping = look_back_mapping(reads, load_policy())
    assert mapping.start_offset == -behind
    assert mapping.end_offset == 0
    assert mapping.allow_nonexistent_upstream_partitions
