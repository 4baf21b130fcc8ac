"""Where each account was last said to be, so that a change of policy is told apart from a change of the account.

Here: the ledger of segments and tiers as runs announced them, and what lies behind each difference. Not here: moves
under one policy (`segments.moves`), or telling anybody (`alerts`).

Segments of a day follow from extracts and policy alone. So under another policy the past reads differently as well,
and no comparison of two days under it can show what the policy itself moved. This ledger can: it remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.segments.causes import CAUSE_KINDS, REVENUE
from segmentation_assets.segments.moves import KINDS, RE_ANCHORED
from segmentation_assets.tables.contracts import Contract, Dated, Day, Flag, Integer, Moment, column
from segmentation_assets.tables.ledgers import Posting, appended
from segmentation_assets.tables.quarters import quarter_start
from segmentation_assets.tables.registry import Frame, ledger

POLICY, RESTATED = "policy", "restated"
KINDS_OF_CAUSE = (*CAUSE_KINDS, RE_ANCHORED, POLICY, RESTATED)


class SegmentRegister(Contract):
    """What was each account last said to be in? Key: account_id, kind, entry."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    entry: Integer = column("0 opens the account, every later one is a change.", ge=0)
    moved_from: str = column("What it was said to be in before; null: an opening.", nullable=True)
    moved_to: str = column("What it is said to be in.")
    effective_on: Day = column("Day from which on, by the run that said so.")
    cause_kind: str = column(
        "What lies behind the change: behaviour, revenue, peers or facts (it moved since the run before); policy "
        "(another policy says so, of the day before as well); re_anchored; restated (other data or code says so, of "
        "the day before as well). Null: an opening.",
        nullable=True, isin=KINDS_OF_CAUSE,
    )  # fmt: skip
    cause_text: str = column("The inputs that moved it; null: none did.", nullable=True)
    as_of: Day = column("Day whose segments said so.")
    posted_at: Moment = column("When it was booked, UTC.")
    run_id: str = column("Run that booked it.")
    policy_hash: str = column("Hash of the policy sections that the booking rested on.")
    is_newest: Flag = column("The account's newest entry of this kind.")
    seen_on: Day = column("Day for which it was last said.")
    seen_policy: str = column("Hash of the policy by which it was last said.")

    class Config:
        unique = ["account_id", "kind", "entry"]


class SegmentMoveFacts(Dated):
    """The columns of `segments` that the register compares."""

    account_id: str = column("Account.")
    segment: str = column("Segment in force.")
    segment_since: Day = column("Since when.")
    segment_move_rule: str = column("How it came into force.")
    segment_cause_kind: str = column("What lies behind its last move.", nullable=True)
    segment_cause_text: str = column("The inputs that moved it.", nullable=True)
    coverage_tier: str = column("Tier in force.")
    tier_since: Day = column("Since when.")
    tier_move_rule: str = column("How it came into force.")
    tier_cause_kind: str = column("What lies behind its last move.", nullable=True)
    tier_cause_text: str = column("The inputs that moved it.", nullable=True)


@ledger(group="activation")
def segment_register(
    booked: Frame[SegmentRegister], posting: Posting, segments: Frame[SegmentMoveFacts]
) -> Frame[SegmentRegister]:
    """Which segment and tier was each account last said to be in, and what lies behind each change of that?

    One row per account, kind and entry. The first posting opens every account; a later one books who is said to be in
    something else than before. A change that came into force since the day before has the cause of the move; one that
    today's segments say was so on that day already is of the policy where that changed, of the turn of a quarter, or
    of restated data. A posting for a day before the last one seen changes nothing.
    """
    newest: Any = booked[booked["is_newest"].astype(bool)]
    last: Mapping[tuple[str, str], Any] = {(row["account_id"], row["kind"]): row for row in newest.to_dict("records")}
    changed, seen = [], set()
    for row in segments.to_dict("records"):
        for kind in KINDS:
            now = row["segment" if kind == "segment" else "coverage_tier"]
            before = last.get((row["account_id"], kind))
            if before is not None and _day(before["seen_on"]) > posting.as_of:
                continue
            seen.add((row["account_id"], kind))
            if before is None or before["moved_to"] != now:
                changed.append(_entry(kind, now, row, before, posting))
    moved = {(entry["account_id"], entry["kind"]) for entry in changed}
    kept = booked.copy()
    pairs = list(zip(kept["account_id"], kept["kind"], strict=True))
    current = kept["is_newest"].astype(bool).to_numpy()
    kept["is_newest"] = [is_newest and pair not in moved for is_newest, pair in zip(current, pairs, strict=True)]
    again = [is_newest and pair in seen - moved for is_newest, pair in zip(current, pairs, strict=True)]
    for name, value in (("seen_on", posting.as_of), ("seen_policy", posting.policy_hash)):
        kept[name] = [value if is_again else old for is_again, old in zip(again, kept[name], strict=True)]
    return appended(SegmentRegister, kept, pd.DataFrame(changed, columns=pd.Index(booked.columns)))


def _entry(kind: str, now: str, row: Mapping[str, Any], before: Mapping[str, Any] | None, posting: Posting) -> Any:
    cause_kind, cause_text = _cause(kind, row, before, posting) if before else (None, None)
    return {
        "account_id": row["account_id"],
        "kind": kind,
        "entry": int(before["entry"]) + 1 if before else 0,
        "moved_from": before["moved_to"] if before else None,
        "moved_to": now,
        "effective_on": _day(row[f"{kind}_since"]),
        "cause_kind": cause_kind,
        "cause_text": cause_text,
        "as_of": posting.as_of,
        "posted_at": posting.posted_at,
        "run_id": posting.run_id,
        "policy_hash": posting.policy_hash,
        "is_newest": True,
        "seen_on": posting.as_of,
        "seen_policy": posting.policy_hash,
    }


def _cause(kind: str, row: Mapping[str, Any], before: Mapping[str, Any], posting: Posting) -> tuple[str, str | None]:
    """What lies behind a change, and the inputs that moved the account if any did."""
    since, seen = _day(row[f"{kind}_since"]), _day(before["seen_on"])
    is_same_policy = before["seen_policy"] == posting.policy_hash
    if since > seen or (since == seen and is_same_policy):
        behind = row[f"{kind}_cause_kind"]
        came_back = row[f"{kind}_move_rule"] == "start" or pd.isna(behind)
        return (REVENUE, None) if came_back else (behind, row[f"{kind}_cause_text"])
    if not is_same_policy:
        return POLICY, None
    return (RE_ANCHORED if seen < quarter_start(posting.as_of) else RESTATED), None


def _day(value: Any) -> date:
    moment: Any = pd.Timestamp(value)
    return moment.date()
