"""Billing thresholds: on which side of each an account's ARR stands, and every time it crossed to the other.

Here: the rule of a crossing (`detect_crossings`), the ledger that remembers sides, and the crossings in it. Not here:
the thresholds (policy section `tier`, and `segments.cuts` for the Strategic cut), noticing that new billing data came
in (`orchestration.sensors`), or telling anybody (`alerts`).

A crossing is ARR against the side that the ledger remembers, so it does not matter how often, when or by which run
that is looked at: what is booked has been crossed, and what has not been booked is found by the next posting. Several
changes between two postings are one: up and down again crossed nothing. Up at the threshold, down only below it by
the exit band. A threshold that itself moves crosses nobody: the ARR last seen is held against the new one first.
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
    """On which side of each billing threshold does every account stand? Key: account_id, threshold, entry.

    The newest entry of an account and threshold carries what was last seen; the rest of an entry never changes.
    """

    account_id: str = column("The paying account.")
    threshold: str = column("Which threshold.", isin=THRESHOLDS)
    entry: Integer = column("0 opens the account, every later one is a crossing.", ge=0)
    direction: str = column("up or down; null: an opening.", nullable=True, isin=DIRECTIONS)
    threshold_arr: float = column(
        "The threshold when this was booked; null: nobody can reach it.", unit="currency", nullable=True
    )
    effective_on: Day = column(
        "Day on which ARR crossed, by the billing data as known when booked; as_of where no price changed (a rate "
        "did); null: an opening.",
        nullable=True,
    )  # fmt: skip
    arr_before: float = column("ARR when it was looked at before; null: an opening.", unit="currency", nullable=True)
    arr_after: float = column("ARR when this was booked.", unit="currency", ge=0)
    as_of: Day = column("Day whose ARR was looked at.")
    posted_at: Moment = column("When it was booked, UTC.")
    run_id: str = column("Run that booked it.")
    policy_hash: str = column("Hash of the policy sections that the booking rested on.")
    is_newest: Flag = column("The account's newest entry for this threshold.")
    is_above: Flag = column("The side on which the account stands; of an entry that is not the newest, stood.")
    arr_seen: float = column("ARR when it was last looked at.", unit="currency", ge=0)
    threshold_seen: float = column("The threshold then.", unit="currency", nullable=True)

    class Config:
        unique = ["account_id", "threshold", "entry"]


class BillingThresholdCrossings(Contract):
    """Which account's ARR crossed which billing threshold? Key: account_id, threshold, crossing."""

    account_id: str = column("The paying account.")
    threshold: str = column("Which threshold.", isin=THRESHOLDS)
    crossing: Integer = column("How often this account has crossed this threshold, this one included.", ge=1)
    direction: str = column("up: ARR reached the threshold; down: fell below it by the exit band.", isin=DIRECTIONS)
    threshold_arr: float = column("The threshold.", unit="currency", nullable=True)
    effective_on: Day = column("Day on which ARR crossed, by the billing data.")
    arr_before: float = column("ARR when it was looked at before.", unit="currency", ge=0)
    arr_after: float = column("ARR when the crossing was found.", unit="currency", ge=0)
    as_of: Day = column("Day whose ARR was looked at.")
    detected_at: Moment = column("When the crossing was booked, UTC.")
    run_id: str = column("Run that booked it.")
    policy_hash: str = column("Hash of the policy sections that the booking rested on.")

    class Config:
        unique = ["account_id", "threshold", "crossing"]


class StepPoints(Dated):
    """The columns of `arr_steps` that crossings are found with."""

    account_id: str = column("The paying account.")
    day: Day = column("First day of the step.")
    until: Day = column("First day on which it no longer holds.", nullable=True)
    arr: float = column("ARR of the step.", unit="currency")


class CutPoints(Dated):
    """The columns of `tier_cuts` that crossings are found with."""

    strategic_cut: float = column("The Strategic cut.", unit="currency", nullable=True)


class Survivors(Dated):
    """The columns of `account_hierarchy` that tell who was merged."""

    account_id: str = column("Account.")
    surviving_account_id: str = column("What it counts for.")


def thresholds_at(tier: TierPolicy, strategic_cut: float | None) -> dict[str, float]:
    """ARR of each threshold; NaN: nobody can reach it."""
    cut = np.nan if strategic_cut is None or pd.isna(strategic_cut) else float(strategic_cut)
    return dict(zip(THRESHOLDS, (tier.long_tail_below_arr, tier.growth_min_arr, cut), strict=True))


def detect_crossings(
    sides: pd.DataFrame, arr: Mapping[str, float], thresholds: Mapping[str, float], exit_band: float
) -> pd.DataFrame:
    """Where every account stands now, and whether it crossed.

    `sides`: account_id, threshold, is_above, arr_seen, threshold_seen as last booked; `arr`: today's, of all accounts
    to look at (an account without a side stood at 0, below everything). One row per account and threshold:
    account_id, threshold, threshold_arr, was_above (against today's threshold), is_above, arr_before, arr_after,
    direction (null: no crossing), is_known (a side was booked).

    A threshold of the policy that has another value now is another threshold: the ARR last seen says plainly which
    side of it the account stood on. The Strategic cut is one threshold that moves: a side is kept within its band, as
    the weekly grid keeps it.
    """
    accounts = pd.DataFrame({"account_id": list(arr), "arr_after": [float(value) for value in arr.values()]})
    parts = []
    for name, bound in thresholds.items():
        known = sides.loc[sides["threshold"] == name, ["account_id", "is_above", "arr_seen", "threshold_seen"]]
        rows = accounts.merge(known, on="account_id", how="left")
        before = rows["arr_seen"].astype(float).fillna(0.0).to_numpy()
        stood = rows["is_above"].eq(True).to_numpy(dtype=bool)
        seen = rows["threshold_seen"].to_numpy(dtype=float)
        keeps = np.full(len(rows), name == STRATEGIC) | (seen == bound)
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
    found: Any = pd.concat(parts, ignore_index=True)[names]
    return found


def to_look_at(sides: pd.DataFrame, arr: Mapping[str, float], merged: set[str]) -> dict[str, float]:
    """ARR of all accounts whose side may have changed: those that pay, and those that were booked and no longer do.

    An account that was merged into another does not count down: its revenue goes on there.
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
    """On which side of each billing threshold does every account stand, and what did it cross to get there?

    One row per account, threshold and entry. The first posting opens every account where it stands and crosses
    nothing; each later one books who stands on another side than the ledger remembers. All in one file, replaced at
    once: a run that is repeated, retried or killed books nothing twice and loses nothing.
    """
    newest: Any = booked[booked["is_newest"].astype(bool)]
    cut = tier_cuts["strategic_cut"].iloc[0] if len(tier_cuts) else None
    steps = arr_steps.assign(until=arr_steps["until"].where(arr_steps["until"].notna(), None))
    arr = to_look_at(newest, _standing(steps, posting), _merged(account_hierarchy))
    found: Any = detect_crossings(newest, arr, thresholds_at(tier, cut), tier.exit_band)
    if not len(booked):
        found["direction"] = None
    is_crossing: Any = found["direction"].notna()
    effective = _crossed_on(found[is_crossing], steps, tier.exit_band)
    last = newest.set_index(["account_id", "threshold"])["entry"].astype("int64")
    keys = pd.MultiIndex.from_frame(found[["account_id", "threshold"]])
    entry = last.reindex(keys).fillna(0).to_numpy(dtype="int64") + is_crossing.to_numpy()
    rows: Any = found.assign(
        entry=entry,
        effective_on=[effective.get(row, posting.as_of) if c else None for row, c in is_crossing.items()],
        as_of=posting.as_of,
        posted_at=posting.posted_at,
        run_id=posting.run_id,
        policy_hash=posting.policy_hash,
        is_newest=True,
        arr_seen=found["arr_after"],
        threshold_seen=found["threshold_arr"],
    )
    rows.loc[~is_crossing, "arr_before"] = np.nan
    is_new = is_crossing | ~rows["is_known"]
    return appended(ThresholdLedger, _looked_at(booked, rows[~is_new], rows[is_new]), rows[is_new])


def _looked_at(booked: pd.DataFrame, seen: pd.DataFrame, superseded: pd.DataFrame) -> pd.DataFrame:
    """What was booked, with what was now seen of accounts that did not cross, and without newest entries that are so
    no longer."""
    pairs = ["account_id", "threshold"]
    kept = booked.set_index(pairs)
    is_newest = kept["is_newest"].astype(bool).to_numpy()
    is_seen = is_newest & kept.index.isin(seen.set_index(pairs).index)
    for name in ("is_above", "arr_seen", "threshold_seen"):
        fresh = seen.set_index(pairs)[name].reindex(kept.index)
        kept[name] = np.where(is_seen, fresh.to_numpy(dtype=object), kept[name].to_numpy(dtype=object))
    kept["is_newest"] = is_newest & ~kept.index.isin(superseded.set_index(pairs).index)
    return kept.reset_index()


def _standing(steps: pd.DataFrame, posting: Posting) -> dict[str, float]:
    """ARR at the end of the posting's day, by account that pays."""
    day = pd.Timestamp(posting.as_of)
    until = pd.to_datetime(steps["until"])
    holds = steps[(pd.to_datetime(steps["day"]) <= day) & (until.isna() | (until > day))]
    return dict(zip(holds["account_id"], holds["arr"].astype(float), strict=True))


def _merged(hierarchy: pd.DataFrame) -> set[str]:
    return set(hierarchy.loc[hierarchy["account_id"] != hierarchy["surviving_account_id"], "account_id"])


def _crossed_on(crossings: pd.DataFrame, steps: pd.DataFrame, exit_band: float) -> dict[Any, Any]:
    """By the index of `crossings`, the last day on which ARR passed the threshold that way; missing: it never did.

    Up: from below the threshold to it or above. Down: to below the exit band from it or above.
    """
    if not len(crossings):
        return {}
    theirs: Any = steps[steps["account_id"].isin(crossings["account_id"])]
    named: Any = crossings[["account_id", "threshold_arr", "direction"]]
    rows = named.reset_index(names="row").merge(_levels(theirs), "left")
    is_up = rows["direction"] == UP
    bound = rows["threshold_arr"].where(is_up, rows["threshold_arr"] * (1 - exit_band))
    rose, fell = (
        (rows["before"] < bound) & (rows["level"] >= bound),
        (rows["before"] >= bound) & (rows["level"] < bound),
    )
    passed: Any = rows[rose.where(is_up, fell)]
    return passed.groupby("row")["on"].max().to_dict()


def _levels(steps: pd.DataFrame) -> pd.DataFrame:
    """account_id, on, level, before: every day on which an account's ARR changed, to and from what."""
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
    """Which account's ARR crossed which billing threshold, in which direction, when, and which run found it?

    One row per crossing, all there ever were. A threshold is crossed upwards at it and downwards below it by the
    policy's exit band. Each crossing is here once, whatever was restarted, retried or repeated.
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
