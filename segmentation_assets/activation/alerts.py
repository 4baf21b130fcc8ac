"""Alerts about accounts: moves, billing crossings, declining usage with a renewal near. Each is booked once.

Here: the ledger of alerts. Not here: sending them (`orchestration.sensors` logs a digest), or alerts about failed
runs (`orchestration.sensors.failures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from segmentation_assets.activation.crossings import UP, BillingThresholdCrossings
from segmentation_assets.policy.activation import ALERT_KINDS, INTO_RISK, OUT_OF_RISK, AlertPolicy
from segmentation_assets.segments.causes import RELABELLED
from segmentation_assets.segments.micro_segments import HIGH_TOUCH
from segmentation_assets.tables.contracts import Contract, Dated, Day, Integer, Moment, column
from segmentation_assets.tables.ledgers import Posting, appended
from segmentation_assets.tables.registry import Frame, ledger

Alert = dict[str, Any]


class SegmentAlerts(Contract):
    """What should people know about an account? Key: number. An alert is never removed or booked twice."""

    number: Integer = column("1 is the first alert ever. Within a posting, the most urgent kind comes first.", ge=1)
    alert_id: str = column("Account and event in words, the same in every run; unique. An id is booked only once.")
    kind: str = column("Kind of event.", isin=ALERT_KINDS)
    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    moved_from: str = column("Segment, tier or side of the threshold before; null: nothing moved.", nullable=True)
    moved_to: str = column("Segment, tier or side of the threshold now, or the coverage that overrides the tier.")
    effective_on: Day = column("Day of the move or crossing; for declining usage, the day it was detected.")
    cause: str = column("Cause, as a keyword.")
    cause_text: str = column("Cause, as a sentence.")
    owner: str = column("CSM in the CRM, else the account executive; null: neither is known.", nullable=True)
    arr: float = column("ARR at as_of; null: the account is not live.", unit="currency", nullable=True, ge=0)
    renewal_on: Day = column("Next renewal; null: none is known.", nullable=True)
    as_of: Day = column("Day whose data led to the alert.")
    posted_at: Moment = column("When the alert was booked, UTC.")
    run_id: str = column("Run that booked the alert.")
    policy_hash: str = column("Hash of the policy sections in force when the alert was booked.")

    class Config:
        unique = ["number"]


class MovePoints(Dated):
    """The columns of `segment_moves` that alerts are made of."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.")
    moved_from: str = column("Segment or tier before.")
    moved_to: str = column("Segment or tier now.")
    direction: str = column("up, down, into_risk or out_of_risk.")
    effective_on: Day = column("Day of the move.")
    cause: str = column("The first cause.")
    cause_text: str = column("All causes.", nullable=True)


class SegmentPoints(Dated):
    """The columns of `segments` that alerts are made of."""

    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    coverage_tier: str = column("Tier.")
    coverage_override: str = column("high_touch or null.", nullable=True)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    account_executive: str = column("Account executive in the CRM.", nullable=True)
    arr: float = column("ARR.", unit="currency")


class RenewalPoints(Dated):
    """The columns of `account_revenue` that alerts are made of."""

    account_id: str = column("Account.")
    renewal_on: Day = column("Next renewal.", nullable=True)


@ledger(
    group="activation",
    late_days=7,  # the moves of a day go back to the Monday before the last one
)
def segment_alerts(
    booked: Frame[SegmentAlerts],
    posting: Posting,
    segment_moves: Frame[MovePoints],
    segments: Frame[SegmentPoints],
    account_revenue: Frame[RenewalPoints],
    billing_threshold_crossings: Frame[BillingThresholdCrossings],
    alerts: AlertPolicy,
) -> Frame[SegmentAlerts]:
    """What should people know about which account, why, and who looks after it?

    One row per alert, numbered in the order of booking. There are three kinds of event: a move of segment or tier,
    ARR that crosses a billing threshold, and declining usage with a renewal near (once per renewal). A run adds the
    alerts that no run has booked before, moves into At-Risk first. What a new policy alone changed has the cause
    `policy`. An alert stays even if its reason has gone.
    """
    renewals = dict(zip(account_revenue["account_id"], account_revenue["renewal_on"], strict=True))
    events = [
        *_moves(segment_moves),
        *_crossings(billing_threshold_crossings),
        *_renewals(segments, renewals, posting),
    ]
    booked_ids = set(booked["alert_id"])
    urgency = {kind: place for place, kind in enumerate(alerts.order)}
    new = sorted(
        (alert for alert in events if alert["alert_id"] not in booked_ids),
        key=lambda alert: (urgency[alert["kind"]], alert["alert_id"]),
    )
    accounts = segments.set_index("account_id")
    first = int(booked["number"].max()) + 1 if len(booked) else 1
    rows = [
        alert
        | _account(accounts, alert["account_id"])
        | {"renewal_on": renewals.get(alert["account_id"]), "number": number, **_posting(posting)}
        for number, alert in enumerate(new, first)
    ]
    return appended(SegmentAlerts, booked, pd.DataFrame(rows, columns=pd.Index(booked.columns)))


def _posting(posting: Posting) -> dict[str, Any]:
    return {
        "as_of": posting.as_of,
        "posted_at": posting.posted_at,
        "run_id": posting.run_id,
        "policy_hash": posting.policy_hash,
    }


def _moves(moves: pd.DataFrame) -> list[Alert]:
    alerts = []
    for row in moves.to_dict("records"):
        kind = (
            row["direction"] if row["direction"] in {INTO_RISK, OUT_OF_RISK} else f"{row['kind']}_{row['direction']}"
        )
        move = f"{row['moved_from']} to {row['moved_to']}"
        alerts.append({
            "alert_id": f"{row['account_id']}: {row['kind']} {move} on {_day(row['effective_on'])}",
            "kind": kind,
            "cause_text": row["cause_text"] or _without_inputs(row["cause"]),
            **{name: row[name] for name in ("account_id", "moved_from", "moved_to", "effective_on", "cause")},
        })  # fmt: skip
    return alerts


def _without_inputs(cause: str) -> str:
    if cause in RELABELLED:
        return f"{RELABELLED[cause]}; the account itself did not move"
    return cause.replace("_", " ")


def _crossings(crossings: pd.DataFrame) -> list[Alert]:
    alerts = []
    for row in crossings.to_dict("records"):
        sides = ("below", "above") if row["direction"] == UP else ("above", "below")
        name = f"{row['threshold']} threshold"
        alerts.append({
            "alert_id": f"{row['account_id']}: {name}, crossing {row['crossing']}",
            "kind": f"billing_{row['direction']}",
            "account_id": row["account_id"],
            "moved_from": f"{sides[0]} {name}",
            "moved_to": f"{sides[1]} {name}",
            "effective_on": row["effective_on"],
            "cause": "arr_threshold",
            "cause_text": "ARR {arr_before:.0f} to {arr_after:.0f}, threshold {threshold_arr:.0f}".format(**row),
        })  # fmt: skip
    return alerts


def _renewals(segments: pd.DataFrame, renewals: Mapping[str, Any], posting: Posting) -> list[Alert]:
    """Accounts with a coverage override, once per renewal, however often usage falls and recovers before it."""
    alerts = []
    overridden: Any = segments[segments["coverage_override"] == HIGH_TOUCH]
    for row in overridden.to_dict("records"):
        renewal = _day(renewals.get(row["account_id"]))
        alerts.append({
            "alert_id": f"{row['account_id']}: declining usage before the renewal on {renewal}",
            "kind": "renewal_at_risk",
            "account_id": row["account_id"],
            "moved_from": row["coverage_tier"],
            "moved_to": HIGH_TOUCH,
            "effective_on": posting.as_of,
            "cause": "declining_usage",
            "cause_text": f"usage is declining and the contract renews on {renewal}",
        })  # fmt: skip
    return alerts


def _account(accounts: pd.DataFrame, account: str) -> dict[str, Any]:
    """Name, owner and ARR; all None for an account that has left."""
    if account not in accounts.index:
        return {"account_name": None, "owner": None, "arr": None}
    row = accounts.loc[account]
    owners = [row[name] for name in ("csm_id", "account_executive") if not pd.isna(row[name])]
    return {"account_name": row["account_name"], "owner": owners[0] if owners else None, "arr": row["arr"]}


def _day(value: Any) -> Any:
    """A day as a date; None where it is missing."""
    return None if pd.isna(value) else pd.Timestamp(value).date()
