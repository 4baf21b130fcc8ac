"""Candidates and states as arrays, and back: one entry per account, words as codes.

Here: the account universe of a run, reading a day's candidates as a `Point`, and states to and from frames. Not here:
the step from state to state (`stability`), or which days are walked (`grid`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.segments.candidates import EVIDENCE, STRATEGIC_EVIDENCE
from segmentation_assets.segments.stability import MOVE_RULES, Point, State, Track
from segmentation_assets.segments.tiers import TIER_RULES, Codes, Flags, Thresholds, TierInputs

Rows = npt.NDArray[np.intp]
Column = Any
"""A column of a frame: what pandas types as a series or a frame."""


@dataclass(frozen=True)
class Words:
    """The accounts and rule ids that arrays count by, in order."""

    accounts: pd.Index
    rules: pd.Index

    @classmethod
    def of(cls, *sources: tuple[Column, Column]) -> Words:
        """All accounts and rule ids of pairs (account_id, rule id) of columns."""
        return cls(*(pd.Index(np.sort(pd.concat(columns).unique())) for columns in zip(*sources, strict=True)))


class CandidateDays:
    """A frame of candidates, to be had day by day."""

    def __init__(self, frame: pd.DataFrame, words: Words) -> None:
        self._words = words
        self._rows = _rows_by_day(frame["as_of"])
        self._account = words.accounts.get_indexer(frame["account_id"])
        self._rule = words.rules.get_indexer(frame["candidate_rule_id"])
        self._segment = _codes(frame["candidate_segment"], SEGMENTS)
        self._sign = _codes(frame["strategic_evidence"], STRATEGIC_EVIDENCE)
        self._growth = _codes(frame["growth_evidence"], EVIDENCE)
        self._flags = {
            name: frame[name].to_numpy(dtype=bool)
            for name in ("is_worth_saving", "risk_waits", "has_growth_usage", "has_little_to_expand")
        }
        value_tier = pd.factorize(frame["value_tier"])[0] + 1
        self._value_side = value_tier * 2 + self._flags["is_worth_saving"]
        self._amounts = {name: frame[name].to_numpy(dtype=float) for name in ("arr", "strategic_cut", "top_cut")}

    def at(self, day: np.datetime64) -> Point:
        """What the rules say on `day`; nobody is live on a day without rows."""
        rows = self._rows.get(day, np.empty(0, dtype=np.intp))
        at = self._account[rows]

        def spread(values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
            column = np.full(len(self._words.accounts), otherwise, dtype=values.dtype)
            column[at] = values[rows]
            return column

        flags = {name: spread(values, False) for name, values in self._flags.items()}
        amounts = {name: spread(values, np.nan) for name, values in self._amounts.items()}
        return Point(
            is_live=spread(np.ones(len(self._account), dtype=bool), False),
            arr=amounts["arr"],
            segment=spread(self._segment, -1),
            rule=spread(self._rule, -1),
            value_side=spread(self._value_side, -1),
            risk_waits=flags["risk_waits"],
            tier_inputs=TierInputs(
                strategic_cut=amounts["strategic_cut"],
                top_cut=amounts["top_cut"],
                strategic_evidence=spread(self._sign, -1),
                has_growth_usage=flags["has_growth_usage"],
                growth_evidence=spread(self._growth, -1),
                has_little_to_expand=flags["has_little_to_expand"],
            ),
        )


def to_frame(state: State, day: np.datetime64, words: Words) -> pd.DataFrame:
    """The state's live accounts as rows of `SegmentStates`."""
    live = np.flatnonzero(state.is_live)

    def word(codes: Codes, names: Sequence[str] | pd.Index) -> npt.NDArray[np.object_]:
        return np.asarray(names, dtype=object)[codes[live]]

    segment, tier = state.segment, state.tier
    return pd.DataFrame(
        {
            "as_of": _dates(np.full(len(live), day, dtype="datetime64[D]")),
            "account_id": np.asarray(words.accounts, dtype=object)[live],
            "segment": word(segment.state, SEGMENTS),
            "rule_id": word(segment.rule, words.rules),
            "segment_since": _dates(segment.since[live]),
            "segment_move_rule": word(segment.move_rule, MOVE_RULES),
            "candidate_segment": word(segment.candidate, SEGMENTS),
            "candidate_segment_points": segment.points_held[live],
            "coverage_tier": word(tier.state, TIERS),
            "tier_rule_id": word(tier.rule, TIER_RULES),
            "tier_since": _dates(tier.since[live]),
            "tier_move_rule": word(tier.move_rule, MOVE_RULES),
            "candidate_tier": word(tier.candidate, TIERS),
            "candidate_tier_points": tier.points_held[live],
            "is_above_long_tail": state.above.long_tail[live],
            "is_above_growth": state.above.growth[live],
            "is_above_strategic": state.above.strategic[live],
        }
    )


def from_frame(rows: Any, words: Words) -> State:
    """What `to_frame` wrote after a grid point: one row per account, accounts without a row are not live."""
    at = words.accounts.get_indexer(rows["account_id"])
    size = len(words.accounts)

    def spread(values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
        column = np.full(size, otherwise, dtype=values.dtype)
        column[at] = values
        return column

    def track(state: str, rule: Codes, prefix: str, candidate: str, names: Sequence[str]) -> Track:
        found = spread(_codes(rows[candidate], names), -1)
        return Track(
            state=spread(_codes(rows[state], names), -1),
            rule=spread(rule, -1),
            since=spread(_days(rows[f"{prefix}_since"]), np.datetime64("NaT")),
            move_rule=spread(_codes(rows[f"{prefix}_move_rule"], MOVE_RULES), 0),
            candidate=found,
            grid_candidate=found,
            points=spread(rows[f"{candidate}_points"].to_numpy(dtype=np.int64), 0),
        )

    def flag(name: str) -> Flags:
        return spread(rows[name].to_numpy(dtype=bool), False)

    segment_rule = words.rules.get_indexer(rows["rule_id"]).astype(np.int64)
    return State(
        is_live=spread(np.ones(len(rows), dtype=bool), False),
        segment=track("segment", segment_rule, "segment", "candidate_segment", SEGMENTS),
        tier=track("coverage_tier", _codes(rows["tier_rule_id"], TIER_RULES), "tier", "candidate_tier", TIERS),
        above=Thresholds(flag("is_above_long_tail"), flag("is_above_growth"), flag("is_above_strategic")),
    )


def _codes(words: Column, names: Sequence[str]) -> Codes:
    """Index of each word in `names`, -1 for null."""
    return pd.Categorical(words, categories=list(names)).codes.astype(np.int64)


def _days(column: Column) -> npt.NDArray[np.datetime64]:
    return pd.to_datetime(column).to_numpy(dtype="datetime64[D]")


def _dates(days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.object_]:
    return days.astype(object)


def _rows_by_day(column: Column) -> dict[np.datetime64, Rows]:
    days = _days(column)
    order = np.argsort(days, kind="stable")
    found, starts = np.unique(days[order], return_index=True)
    return dict(zip(found, np.split(order, starts[1:]), strict=True)) if len(found) else {}
