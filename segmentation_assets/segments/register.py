"""The segment and tier that runs announced for each account, to tell a new policy apart from a change of the account.

Here: the ledger of announced segments and tiers, with the cause of each change, and the ledger of those changes that
no account made. Not here: moves (`moves`, which reads the second ledger), or alerts (`activation.alerts`).

The segments of a day follow from extracts and policy alone. A new policy therefore changes past days as well, and
comparing two days under the new policy cannot show what the policy moved. The register can, because it keeps what was
announced under the old one. It changes with every run. Its readers would be out of date after every run, so the few
changes that a table needs have a ledger of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.segments.causes import (
    CAUSE_KINDS,
    KINDS,
    POLICY,
    RE_ANCHORED,
    RELABELS,
    RESTATED,
    REVENUE,
)
from segmentation_assets.tables.as_of import last_monday
from segmentation_assets.tables.contracts import Contract, Dated, Day, Flag, Integer, Moment, column
from segmentation_assets.tables.ledgers import Posting, appended
from segmentation_assets.tables.quarters import quarter_start
from segmentation_assets.tables.registry import Frame, ledger

KINDS_OF_CAUSE = (*CAUSE_KINDS, RE_ANCHORED, POLICY, RESTATED)


class SegmentRegister(Contract):
    """Which segment and tier did runs announce for each account? Key: account_id, kind, entry."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    entry: Integer = column("0 is the account's first entry of this kind; each later one is a change.", ge=0)
    moved_from: str = column("Segment or tier announced before; null for entry 0.", nullable=True)
    moved_to: str = column("Segment or tier announced.")
    effective_on: Day = column("First day in this segment or tier, by the run that announced it.")
    cause_kind: str = column(
        "Cause of the change. behaviour, revenue, peers, facts: the account moved after the last announcement. "
        "policy: a new policy, under which the day of the last announcement has the new value, too. re_anchored: the "
        "quarter turned. restated: new data or code, with which that day has the new value, too. Null for entry 0.",
        nullable=True, isin=KINDS_OF_CAUSE,
    )  # fmt: skip
    cause_text: str = column("The inputs that moved the account; null: none did.", nullable=True)
    as_of: Day = column("Day whose segments were announced.")
    posted_at: Moment = column("When the entry was booked, UTC.")
    run_id: str = column("Run that booked the entry.")
    policy_hash: str = column("Hash of the policy sections in force when the entry was booked.")
    is_newest: Flag = column("The account's newest entry of this kind.")
    seen_on: Day = column("Last day for which a run announced this segment or tier.")
    seen_policy: str = column("Hash of the policy sections in force in that run.")

    class Config:
        unique = ["account_id", "kind", "entry"]


class SegmentMoveFacts(Dated):
    """The columns of `segments` that the register compares."""

    account_id: str = column("Account.")
    segment: str = column("Segment.")
    segment_since: Day = column("First day in the segment.")
    segment_move_rule: str = column("Rule of the last move of segment.")
    segment_cause_kind: str = column("Kind of cause of that move.", nullable=True)
    segment_cause_text: str = column("Inputs that caused that move.", nullable=True)
    coverage_tier: str = column("Coverage tier.")
    tier_since: Day = column("First day in the tier.")
    tier_move_rule: str = column("Rule of the last move of tier.")
    tier_cause_kind: str = column("Kind of cause of that move.", nullable=True)
    tier_cause_text: str = column("Inputs that caused that move.", nullable=True)


class SegmentRelabels(Contract):
    """Segments and tiers that were announced, and that a new policy, data or code then changed for the same days.

    Key: account_id, kind, entry. The entries are those of `segment_register` with these causes.
    """

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    entry: Integer = column("The entry in segment_register.", ge=1)
    moved_from: str = column("Segment or tier announced before.")
    moved_to: str = column("Segment or tier announced now, also for the day of the announcement before.")
    cause_kind: str = column("policy: a new policy; restated: new data or code.", isin=RELABELS)
    announced_on: Day = column("Last day for which moved_from was announced.")
    relabelled_on: Day = column("Day of the run that announced moved_to.")

    class Config:
        unique = ["account_id", "kind", "entry"]


@ledger(group="segments")
def segment_register(
    booked: Frame[SegmentRegister], posting: Posting, segments: Frame[SegmentMoveFacts]
) -> Frame[SegmentRegister]:
    """Which segment and tier did runs announce for each account, and why did each of them change?

    One row per account, kind and entry. The first posting gives every account its entry 0. A later one books the
    accounts whose segment or tier differs from the last announcement. If the account moved after that day, the entry
    has the cause of the move, and so has the end of a move at once that no Monday confirmed. If not, the past itself
    has changed: the cause is a new policy, the turn of a quarter, or restated data. A posting for an earlier day than
    the last announcement changes nothing.
    """
    newest: Any = booked[booked["is_newest"].astype(bool)]
    last: Mapping[tuple[str, str], Any] = {(row["account_id"], row["kind"]): row for row in newest.to_dict("records")}
    changes, announced = [], set()
    for row in segments.to_dict("records"):
        for kind in KINDS:
            now = row["segment" if kind == "segment" else "coverage_tier"]
            before = last.get((row["account_id"], kind))
            if before is not None and _day(before["seen_on"]) > posting.as_of:
                continue
            announced.add((row["account_id"], kind))
            if before is None or before["moved_to"] != now:
                changes.append(_entry(kind, now, row, before, posting))
    moved = {(entry["account_id"], entry["kind"]) for entry in changes}
    entries = booked.copy()
    pairs = list(zip(entries["account_id"], entries["kind"], strict=True))
    current = entries["is_newest"].astype(bool).to_numpy()
    entries["is_newest"] = [is_newest and pair not in moved for is_newest, pair in zip(current, pairs, strict=True)]
    again = [is_newest and pair in announced - moved for is_newest, pair in zip(current, pairs, strict=True)]
    for name, value in (("seen_on", posting.as_of), ("seen_policy", posting.policy_hash)):
        entries[name] = [value if is_again else old for is_again, old in zip(again, entries[name], strict=True)]
    return appended(SegmentRegister, entries, pd.DataFrame(changes, columns=pd.Index(booked.columns)))


@ledger(group="segments")
def segment_relabels(
    booked: Frame[SegmentRelabels],
    posting: Posting,  # noqa: ARG001 - every ledger's function gets it
    segment_register: Frame[SegmentRegister],
) -> Frame[SegmentRelabels]:
    """Whose announced segment or tier changed although the account did not, and was it the policy?

    One row per account, kind and entry of `segment_register` with the cause `policy` or `restated`. It changes only
    when there is a new one.
    """
    register: Any = segment_register.sort_values("entry", kind="stable")
    register = register.assign(announced_on=register.groupby(["account_id", "kind"])["seen_on"].shift())
    new: Any = register[register["cause_kind"].isin(RELABELS) & (register["entry"] > 0)]
    new = new.assign(relabelled_on=new["as_of"]).sort_values(["account_id", "kind", "entry"])
    old_keys = set(zip(booked["account_id"], booked["kind"], booked["entry"], strict=True))
    keys = zip(new["account_id"], new["kind"], new["entry"], strict=True)
    return appended(SegmentRelabels, booked, new.loc[[key not in old_keys for key in keys], list(booked.columns)])


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
    """The kind of cause of a change, and the inputs that moved the account if there are any."""
    now = row["segment" if kind == "segment" else "coverage_tier"]
    since, last_day = _day(row[f"{kind}_since"]), _day(before["seen_on"])
    is_same_policy = before["seen_policy"] == posting.policy_hash
    if since > last_day or (since == last_day and is_same_policy):
        cause = row[f"{kind}_cause_kind"]
        came_back = row[f"{kind}_move_rule"] == "start" or pd.isna(cause)
        return (REVENUE, None) if came_back else (cause, row[f"{kind}_cause_text"])
    if not is_same_policy:
        return POLICY, None
    if _was_not_confirmed(now, since, before, posting.as_of):
        return before["cause_kind"], before["cause_text"]
    return (RE_ANCHORED if last_day < quarter_start(posting.as_of) else RESTATED), None


def _was_not_confirmed(now: str, since: date, before: Mapping[str, Any], as_of: date) -> bool:
    """Whether the last entry was a move at once that no Monday since confirmed: the account is where it was."""
    entered = _day(before["effective_on"])
    return before["moved_from"] == now and since < entered <= last_monday(as_of)


def _day(value: Any) -> date:
    moment: Any = pd.Timestamp(value)
    return moment.date()
