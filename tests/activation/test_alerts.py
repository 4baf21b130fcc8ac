"""Alerts: each once, the most urgent first, with the one who looks after the account; and how a digest tells them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster import build_sensor_context  # noqa: TID251 - the sensor is called as a daemon calls it

from segmentation_assets.activation.alerts import SegmentAlerts, segment_alerts
from segmentation_assets.activation.crossings import BillingThresholdCrossings
from segmentation_assets.orchestration.failures import RunFailures, record_failure
from segmentation_assets.orchestration.sensors.digests import RENEWAL, digest, new_alerts, segment_moves
from segmentation_assets.policy.activation import ALERT_KINDS
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.warehouse.store import Store

POLICY = load_policy().alerts
EMPTY = pd.DataFrame(columns=list(ibis_schema(SegmentAlerts)))
MONDAY = date(2026, 3, 30)
MOVES = [
    ("a", "tier", "Core", "Growth", "up", MONDAY, "arr_threshold", "ARR 24000 to 26000"),
    ("b", "segment", "Growth", "At-Risk", "into_risk", MONDAY, "behavioral_cohort", "cohort Steady State to At Risk"),
]


def post(
    booked: pd.DataFrame,
    day: date = MONDAY,
    *,
    moves: Any = (),
    crossings: Any = (),
    high_touch: Any = (),
) -> pd.DataFrame:
    moved = pd.DataFrame(
        moves,
        columns=["account_id", "kind", "moved_from", "moved_to", "direction", "effective_on", "cause", "cause_text"],
    )
    segments = pd.DataFrame({
        "account_id": ["a", "b", "c"], "account_name": ["Ada", "Bob", None], "coverage_tier": "Core",
        "coverage_override": ["high_touch" if x in high_touch else None for x in "abc"],
        "csm_id": ["C1", None, None], "account_executive": ["E1", "E2", None], "arr": [1.0, 2.0, 3.0],
    })  # fmt: skip
    renewals = pd.DataFrame({"account_id": ["a", "b", "c"], "renewal_on": [date(2026, 5, 1), None, date(2026, 6, 1)]})
    result = pd.DataFrame(crossings, columns=list(ibis_schema(BillingThresholdCrossings)))
    posting = Posting(day, pd.Timestamp(2026, 3, 30), "r1", "p")
    return segment_alerts(booked, posting, moved, segments, renewals, result, POLICY)


def crossing(number: int, direction: str) -> dict[str, Any]:
    return {
        "account_id": "a", "threshold": "growth", "crossing": number, "direction": direction,
        "threshold_arr": 25_000.0,
        "effective_on": MONDAY, "arr_before": 24_000.0, "arr_after": 26_000.0, "as_of": MONDAY,
    }  # fmt: skip


def test_into_risk_first_and_each_with_its_owner():
    table = post(EMPTY, moves=MOVES, crossings=[crossing(1, "up")], high_touch="c")
    assert table[["number", "kind", "account_id", "owner"]].to_numpy().tolist() == [
        [1, "into_risk", "b", "E2"],
        [2, "renewal_at_risk", "c", None],
        [3, "billing_up", "a", "C1"],
        [4, "tier_up", "a", "C1"],
    ]
    assert table["cause_text"].tolist()[2] == "ARR 24000 to 26000, threshold 25000"


def test_a_move_that_only_the_policy_made_says_so():
    by_policy = ("a", "tier", "Core", "Growth", "up", MONDAY, "policy", "")
    table = post(EMPTY, moves=[by_policy, MOVES[1]])
    assert table[["account_id", "cause"]].to_numpy().tolist() == [["b", "behavioral_cohort"], ["a", "policy"]]
    assert table["cause_text"].tolist()[1] == "the policy changed; the account itself did not move"


def test_what_was_booked_is_not_booked_again_and_stays_when_its_reason_is_gone():
    once = post(EMPTY, moves=MOVES, crossings=[crossing(1, "up")])
    again = post(once, date(2026, 3, 31), moves=MOVES, crossings=[crossing(1, "up")])
    assert again["alert_id"].tolist() == once["alert_id"].tolist()
    assert post(again, date(2026, 4, 1))["alert_id"].tolist() == once["alert_id"].tolist()


def test_up_down_and_up_on_one_day_are_three_alerts():
    table = post(EMPTY, crossings=[crossing(1, "up"), crossing(2, "down"), crossing(3, "up")])
    assert sorted(table["kind"]) == ["billing_down", "billing_up", "billing_up"]
    assert table["alert_id"].is_unique


def test_declining_usage_is_told_once_for_a_renewal():
    table = post(EMPTY, high_touch="a")
    table = post(post(table, date(2026, 3, 31)), date(2026, 4, 1), high_touch="a")
    assert table["alert_id"].tolist() == ["a: declining usage before the renewal on 2026-05-01"]


def publish(home: Path, alerts: pd.DataFrame) -> Settings:
    folder = home / "published" / "segment_alerts"
    folder.mkdir(parents=True, exist_ok=True)
    schema = ibis_schema(SegmentAlerts).to_pyarrow()
    pq.write_table(pa.Table.from_pandas(alerts, schema=schema, preserve_index=False), folder / "part-0.parquet")
    return Settings(home, None, None)


def test_the_first_look_tells_nothing_and_each_later_one_what_is_new(tmp_path: Path):
    kinds = [kind for kind in ALERT_KINDS if kind != RENEWAL]
    assert new_alerts(Settings(tmp_path, None, None), kinds, None) == (None, [])
    booked = post(EMPTY, moves=MOVES[:1])
    settings = publish(tmp_path, booked)
    assert new_alerts(settings, kinds, None) == (1, [])
    publish(tmp_path, post(booked, moves=MOVES, high_touch="c"))
    last, result = new_alerts(settings, kinds, 1)
    assert (last, [alert["kind"] for alert in result]) == (3, ["into_risk"])
    assert new_alerts(settings, kinds, 3) == (3, [])
    assert [alert["account_id"] for alert in new_alerts(settings, [RENEWAL], 1)[1]] == ["c"]


@pytest.mark.parametrize("posts", [False, True])
def test_a_sensor_posts_the_digest_where_the_policy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posts: bool
):
    posted: list[Path] = []
    monkeypatch.setattr("segmentation_assets.sync.slack.post_digest", lambda home, policy: posted.append(home))
    policy = load_policy()
    assert policy.orchestration.sensors.posts_digest is False
    sensors = policy.orchestration.sensors.model_copy(update={"posts_digest": posts})
    chosen = policy.model_copy(update={"orchestration": policy.orchestration.model_copy(update={"sensors": sensors})})
    settings = publish(tmp_path, post(EMPTY, moves=MOVES[:2]))
    sensor = segment_moves(settings, chosen)
    for cursor, posts_so_far in ((None, 0), ("1", int(posts)), ("2", int(posts))):
        sensor.evaluate_tick(build_sensor_context(cursor=cursor))
        assert len(posted) == posts_so_far, cursor


def test_a_digest_names_a_few_and_counts_the_rest():
    table = post(EMPTY, moves=MOVES, crossings=[crossing(n, "up") for n in range(1, 5)])
    text = digest(table.to_dict("records"), 2).splitlines()
    assert text == [
        "1 into risk, 4 billing up, 1 tier up",
        "into risk: Bob, Growth to At-Risk; cohort Steady State to At Risk; E2",
        "billing up: Ada, below growth threshold to above growth threshold; ARR 24000 to 26000, threshold 25000; C1",
        "... and 4 more: segmentation show segment_alerts",
    ]


def test_a_failed_run_told_twice_is_one_row(tmp_path: Path):
    failure = {
        "run_id": "r1", "job": "landing", "asked_by": None, "as_of": None, "failed_at": pd.Timestamp(2026, 3, 30),
        "tables": "billing_subscriptions", "reason": "too many bad rows",
    }  # fmt: skip
    for _ in range(2):
        record_failure(Store(tmp_path), failure)
    record_failure(Store(tmp_path), failure | {"run_id": "r2"})
    files = sorted((tmp_path / "published" / "run_failures").glob("*.parquet"))
    assert [pq.read_table(file).to_pylist()[0]["run_id"] for file in files] == ["r1", "r2"]
    assert set(pq.read_table(files[0]).column_names) == set(ibis_schema(RunFailures))
