"""Billing thresholds: is an account's ARR above or below each, and when did it cross?

Here: the rule of a crossing (`detect_crossings`), the ledger of sides, and the crossings in it. Not here: the
thresholds (policy section `tier`, and `segments.cuts` for the Strategic cut), noticing new billing data
(`orchestration.sensors`), or alerts (`alerts`).

A posting compares each account's ARR with the side in the ledger. So the result does not depend on how often, when or
by which run that is done: a crossing is booked once, and one that was missed is booked by the next posting. Only the
difference between two postings counts: ARR that went up and down again in between crossed nothing. ARR crosses
upwards at the threshold, downwards only below the exit band. If a threshold moves, the ARR of the last posting is
compared with the new threshold first, so that nobody crosses because the threshold did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from segmentation_assets.policy.segments import TierPolicy
from segmentation_assets.segments.tiers import counts_as_above
from segmentation_assets.tables.contracts import Contract, Dated, Day, Flag, Integer, Moment, column
from segmentation_assets.tables.ledgers import Posting, appended
from segmentation_assets.tables.registry import Frame, Table, ledger, table

THRESHOLDS = ("long_tail", "growth", "strategic")
"""Lowest first: leaving Long-Tail, Growth, the Strategic cut of the quarter."""
STRATEGIC = "strategic"
UP, DOWN = DIRECTIONS = ("up", "down")


class ThresholdLedger(Contract):
    """On which side of each billing threshold is every account? Key: account_id, threshold, entry.

    A posting updates is_newest, is_above, arr_seen and threshold_seen of the newest entries. Nothing else changes.
    """

    account_id: str = column("The paying account.")
    threshold: str = column("Name of the threshold.", isin=THRESHOLDS)
    entry: Integer = column("0 is the account's first entry for this threshold; each later one is a crossing.", ge=0)
    direction: str = column("up or down; null for entry 0.", nullable=True, isin=DIRECTIONS)
    threshold_arr: float = column(
        "The threshold when the entry was booked; null: no ARR reaches it.", unit="currency", nullable=True
    )
    effective_on: Day = column(
        "Day on which ARR crossed, by the billing data known when the entry was booked; as_of if an exchange rate "
        "and no price changed; null for entry 0.",
        nullable=True,
    )  # fmt: skip
    arr_before: float = column("ARR at the posting before; null for entry 0.", unit="currency", nullable=True)
    arr_after: float = column("ARR when the entry was booked.", unit="currency", ge=0)
    as_of: Day = column("Day whose ARR was compared.")
    posted_at: Moment = column("When the entry was booked, UTC.")
    run_id: str = column("Run that booked the entry.")
    policy_hash: str = column("Hash of the policy sections in force when the entry was booked.")
    is_newest: Flag = column("The account's newest entry for this threshold.")
    is_above: Flag = column("Whether ARR is above the threshold; in an older entry, whether it was.")
    arr_seen: float = column("ARR at the last posting for this entry.", unit="currency", ge=0)
    threshold_seen: float = column("The threshold at that posting.", unit="currency", nullable=True)

    class Config:
        unique = ["account_id", "threshold", "entry"]


class BillingThresholdCrossings(Contract):
    """Which account's ARR crossed which billing threshold? Key: account_id, threshold, crossing."""

    account_id: str = column("The paying account.")
    threshold: str = column("Name of the threshold.", isin=THRESHOLDS)
    crossing: Integer = column("Number of this account's crossings of this threshold so far, with this one.", ge=1)
    direction: str = column("up: ARR reached the threshold; down: ARR fell below the exit band.", isin=DIRECTIONS)
    threshold_arr: float = column("The threshold when the crossing was booked.", unit="currency", nullable=True)
    effective_on: Day = column("Day on which ARR crossed, by the billing data.")
    arr_before: float = column("ARR at the posting before.", unit="currency", ge=0)
    arr_after: float = column("ARR when the crossing was booked.", unit="currency", ge=0)
    as_of: Day = column("Day whose ARR was compared.")
    detected_at: Moment = column("When the crossing was booked, UTC.")
    run_id: str = column("Run that booked the crossing.")
    policy_hash: str = column("Hash of the policy sections in force when the crossing was booked.")

    class Config:
        unique = ["account_id", "threshold", "crossing"]


class StepPoints(Dated):
    """The columns of `arr_steps` that crossings are made of."""

    account_id: str = column("The paying account.")
    day: Day = column("First day of the step.")
    until: Day = column("First day after the step; null: it has not ended.", nullable=True)
    arr: float = column("ARR of the step.", unit="currency")


class CutPoints(Dated):
    """The columns of `tier_cuts` that crossings are made of."""

    strategic_cut: float = column("The Strategic cut.", unit="currency", nullable=True)


class Survivors(Dated):
    """The columns of `account_hierarchy` that say which accounts were merged."""

    account_id: str = column("Account.")
    surviving_account_id: str = column("The account with which it counts.")


def thresholds_at(tier: TierPolicy, strategic_cut: float | None) -> dict[str, float]:
    """ARR of each threshold; NaN: no ARR reaches it."""
    cut = np.nan if strategic_cut is None or pd.isna(strategic_cut) else float(strategic_cut)
    return dict(zip(THRESHOLDS, (tier.long_tail_below_arr, tier.growth_min_arr, cut), strict=True))


def detect_crossings(
    sides: pd.DataFrame, arr: Mapping[str, float], thresholds: Mapping[str, float], exit_band: float
) -> pd.DataFrame:
    """The side of every account, and whether it crossed.

    `sides`: account_id, threshold, is_above, arr_seen, threshold_seen of the newest entries. `arr`: today's ARR of
    the accounts to compare; an account without an entry was at 0, below every threshold. One row per account and
    threshold: account_id, threshold, threshold_arr, was_above (compared with today's threshold), is_above,
    arr_before, arr_after, direction (null: no crossing), is_known (the account has an entry).

    If the policy changes a threshold, the new value is another threshold without an exit band so far: `arr_seen`
    alone decides on which side the account was. The Strategic cut is one threshold that moves, so an account within
    its exit band keeps its side, as on the weekly grid.
    """
    accounts = pd.DataFrame({"account_id": list(arr), "arr_after": [float(value) for value in arr.values()]})
    parts = []
    for name, bound in thresholds.items():
        entries = sides.loc[sides["threshold"] == name, ["account_id", "is_above", "arr_seen", "threshold_seen"]]
        rows = accounts.merge(entries, on="account_id", how="left")
        before = rows["arr_seen"].astype(float).fillna(0.0).to_numpy()
        stood = rows["is_above"].eq(True).to_numpy(dtype=bool)
        last_bound = rows["threshold_seen"].to_numpy(dtype=float)
        keeps = np.full(len(rows), name == STRATEGIC) | (last_bound == bound)
        was = counts_as_above(before, bound, stood & keeps, exit_band)
        now = counts_as_above(rows["arr_after"].to_numpy(dtype=float), bound, was, exit_band)
        parts.append(
            rows.assign(
                threshold=name,
                threshold_arr=bound,
                was_above=was,
                is_above=now,
                arr_before=before,
                direction=np.array([None, UP, DOWN], dtype=object)[np.where(now == was, 0, np.where(now, 1, 2))],
                is_known=rows["arr_seen"].notna(),
            )
        )
    names = [
        "account_id", "threshold", "threshold_arr", "was_above", "is_above", "arr_before", "arr_after", "direction",
        "is_known",
    ]  # fmt: skip
    rows: Any = pd.concat(parts, ignore_index=True)[names]
    return rows


def to_compare(sides: pd.DataFrame, arr: Mapping[str, float], merged: set[str]) -> dict[str, float]:
    """ARR of all accounts whose side may have changed: those that pay, and those with entries that pay no longer.

    A merged account is left out: its revenue continues in the surviving account, so it has not crossed downwards.
    """
    gone = set(sides["account_id"]) - set(arr) - merged
    return {account: value for account, value in arr.items() if account not in merged} | dict.fromkeys(gone, 0.0)


@ledger(group="activation")
def threshold_ledger(
    booked: Frame[ThresholdLedger],
    posting: Posting,
    arr_steps: Frame[StepPoints],
    account_hierarchy: Frame[Survivors],
    tier_cuts: Frame[CutPoints],
    tier: TierPolicy,
) -> Frame[ThresholdLedger]:
    """On which side of each billing threshold is every account, and which crossings led there?

    One row per account, threshold and entry. The first posting gives every account its entry 0, without a crossing.
    Each later one books the accounts that are on another side than before. The ledger is one file that is replaced
    as a whole: a run that is repeated, retried or killed books nothing twice and loses nothing.
    """
    newest: Any = booked[booked["is_newest"].astype(bool)]
    cut = tier_cuts["strategic_cut"].iloc[0] if len(tier_cuts) else None
    steps = arr_steps.assign(until=arr_steps["until"].where(arr_steps["until"].notna(), None))
    arr = to_compare(newest, _arr_on(steps, posting), _merged(account_hierarchy))
    sides: Any = detect_crossings(newest, arr, thresholds_at(tier, cut), tier.exit_band)
    if not len(booked):
        sides["direction"] = None
    is_crossing: Any = sides["direction"].notna()
    effective = _crossed_on(sides[is_crossing], steps, tier.exit_band)
    last = newest.set_index(["account_id", "threshold"])["entry"].astype("int64")
    keys = pd.MultiIndex.from_frame(sides[["account_id", "threshold"]])
    entry = last.reindex(keys).fillna(0).to_numpy(dtype="int64") + is_crossing.to_numpy()
    rows: Any = sides.assign(
        entry=entry,
        effective_on=[effective.get(row, posting.as_of) if c else None for row, c in is_crossing.items()],
        as_of=posting.as_of,
        posted_at=posting.posted_at,
        run_id=posting.run_id,
        policy_hash=posting.policy_hash,
        is_newest=True,
        arr_seen=sides["arr_after"],
        threshold_seen=sides["threshold_arr"],
    )
    rows.loc[~is_crossing, "arr_before"] = np.nan
    is_new = is_crossing | ~rows["is_known"]
    return appended(ThresholdLedger, _updated(booked, rows[~is_new], rows[is_new]), rows[is_new])


def _updated(booked: pd.DataFrame, unmoved: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The booked entries, with today's ARR and threshold for `unmoved`; entries that `new` follows are not newest."""
    pairs = ["account_id", "threshold"]
    entries = booked.set_index(pairs)
    is_newest = entries["is_newest"].astype(bool).to_numpy()
    is_unmoved = is_newest & entries.index.isin(unmoved.set_index(pairs).index)
    for name in ("is_above", "arr_seen", "threshold_seen"):
        fresh = unmoved.set_index(pairs)[name].reindex(entries.index)
        entries[name] = np.where(is_unmoved, fresh.to_numpy(dtype=object), entries[name].to_numpy(dtype=object))
    entries["is_newest"] = is_newest & ~entries.index.isin(new.set_index(pairs).index)
    return entries.reset_index()


def _arr_on(steps: pd.DataFrame, posting: Posting) -> dict[str, float]:
    """ARR at the end of the posting's day, by paying account."""
    day = pd.Timestamp(posting.as_of)
    until = pd.to_datetime(steps["until"])
    holds = steps[(pd.to_datetime(steps["day"]) <= day) & (until.isna() | (until > day))]
    return dict(zip(holds["account_id"], holds["arr"].astype(float), strict=True))


def _merged(hierarchy: pd.DataFrame) -> set[str]:
    return set(hierarchy.loc[hierarchy["account_id"] != hierarchy["surviving_account_id"], "account_id"])


def _crossed_on(crossings: pd.DataFrame, steps: pd.DataFrame, exit_band: float) -> dict[Any, Any]:
    """The last day on which ARR passed the threshold in the direction of the crossing, by the index of `crossings`.

    Up: from below the threshold to the threshold or above. Down: from the exit band or above to below it. Crossings
    without such a day are left out.
    """
    if not len(crossings):
        return {}
    own_steps: Any = steps[steps["account_id"].isin(crossings["account_id"])]
    bounds: Any = crossings[["account_id", "threshold_arr", "direction"]]
    rows = bounds.reset_index(names="row").merge(_levels(own_steps), "left")
    is_up = rows["direction"] == UP
    bound = rows["threshold_arr"].where(is_up, rows["threshold_arr"] * (1 - exit_band))
    rose, fell = (
        (rows["before"] < bound) & (rows["level"] >= bound),
        (rows["before"] >= bound) & (rows["level"] < bound),
    )
    passed: Any = rows[rose.where(is_up, fell)]
    return passed.groupby("row")["on"].max().to_dict()


def _levels(steps: pd.DataFrame) -> pd.DataFrame:
    """Every change of an account's ARR: account_id, on (the day), level (ARR from that day on), before."""
    starts = steps.sort_values(["account_id", "day"])[["account_id", "day", "until", "arr"]]
    following = starts.groupby("account_id")["day"].shift(-1)
    ends = starts[starts["until"].notna() & (starts["until"] != following)]
    changes = pd.DataFrame({
        "account_id": pd.Series([*starts["account_id"], *ends["account_id"]], dtype=object),
        "on": [*starts["day"], *ends["until"]],
        "level": [*starts["arr"].astype(float), *np.zeros(len(ends))],
    }).sort_values(["account_id", "on"])  # fmt: skip
    return changes.assign(before=changes.groupby("account_id")["level"].shift().fillna(0.0))


@table(group="activation", partition=None)
def billing_threshold_crossings(threshold_ledger: Table[ThresholdLedger]) -> Table[BillingThresholdCrossings]:
    """Which account's ARR crossed which billing threshold, in which direction and when, and which run booked it?

    One row per crossing, of all time. ARR crosses upwards when it reaches the threshold, downwards when it falls
    below the policy's exit band. A crossing is booked once, even if a run is restarted, retried or repeated.
    """
    rows = threshold_ledger.filter(threshold_ledger.direction.notnull())
    return rows.select(
        "account_id",
        "threshold",
        "direction",
        "threshold_arr",
        "effective_on",
        "arr_before",
        "arr_after",
        "as_of",
        "run_id",
        "policy_hash",
        crossing=rows.entry,
        detected_at=rows.posted_at,
    )
