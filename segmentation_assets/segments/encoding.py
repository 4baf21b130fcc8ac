"""Inputs and states as arrays, and back: one entry per account, words as codes.

Here: all accounts of a run, reading a day's inputs as a `Point`, and states to and from frames. Not here: the
step from state to state (`stability`), or which days are walked (`grid`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.segments import (
    NEEDS_PROFILES,
    SEGMENTS,
    SIZE_CLASSES,
    STRATEGIC_SIGNS,
    TIERS,
    VALUE_TIERS,
)
from segmentation_assets.scores.behavioral import KEPT_SEPARATOR
from segmentation_assets.segments.rules import RuleBook
from segmentation_assets.segments.stability import MOVE_RULES, Point, State, Track, tier_inputs_of
from segmentation_assets.segments.standing import LEVELS, Figures, Standing
from segmentation_assets.segments.tiers import TIER_RULE_IDS, Codes, Flags, Thresholds

Rows = npt.NDArray[np.intp]
Column = Any
"""A column of a frame: what pandas types as a series or a frame."""


def accounts_of(*columns: Column) -> pd.Index:
    """The accounts that arrays count by, in order."""
    return pd.Index(np.sort(pd.concat(columns).unique()))


class InputDays:
    """A frame of `segment_inputs`, to be had day by day."""

    def __init__(self, frame: pd.DataFrame, accounts: pd.Index, book: RuleBook) -> None:
        self._size = len(accounts)
        self._rows = _rows_by_day(frame["as_of"])
        self._account = accounts.get_indexer(frame["account_id"])
        cohorts = book.words["cohort"]
        self._codes = {
            "size": _codes(frame["size_class"], SIZE_CLASSES),
            "cohort": _codes(frame["behavioral_cohort"], cohorts),
            "needs": _codes(frame["needs_profile"], NEEDS_PROFILES),
            "strategic_sign": _codes(frame["strategic_sign"], STRATEGIC_SIGNS),
        }
        self._kept = _kept_cohorts(frame["kept_cohorts"], cohorts)
        self._waits = frame["risk_waits"].to_numpy(dtype=bool)
        self._renewals = _days(frame["renewal_on"])
        self._numbers = {
            name: frame[name].to_numpy(dtype=float)
            for name in (
                "arr", "value", "cut_silver", "cut_gold", "cut_platinum", "clv_percentile", "seat_activity",
                "expansion_score", "lookalike", "behavioral_score", "health_score", "strategic_cut", "top_cut",
            )
        }  # fmt: skip

    def at(self, day: np.datetime64) -> Point:
        """What the rules read on `day`; nobody is live on a day without rows."""
        rows = self._rows.get(day, np.empty(0, dtype=np.intp))
        places = self._account[rows]

        def spread(values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
            column = np.full(self._size, otherwise, dtype=values.dtype)
            column[places] = values[rows]
            return column

        numbers = {name: spread(values, np.nan) for name, values in self._numbers.items()}
        codes = {name: spread(values, -1) for name, values in self._codes.items()}
        figures = {name: numbers[name] for name in (f.name for f in fields(Figures)) if name in numbers}
        return Point(
            is_live=spread(np.ones(len(self._account), dtype=bool), False),
            arr=numbers["arr"],
            figures=Figures(
                size=codes["size"],
                cohort=codes["cohort"],
                kept_cohorts=spread(self._kept, 0),
                needs=codes["needs"],
                **figures,
            ),
            risk_waits=spread(self._waits, False),
            renewal_on=spread(self._renewals, np.datetime64("NaT", "D")),
            strategic_cut=numbers["strategic_cut"],
            top_cut=numbers["top_cut"],
            strategic_sign=codes["strategic_sign"],
            lookalike=numbers["lookalike"],
            behavioral_score=numbers["behavioral_score"],
            health_score=numbers["health_score"],
        )


def to_frame(state: State, day: np.datetime64, accounts: pd.Index, book: RuleBook) -> pd.DataFrame:
    """The state's live accounts as rows of `SegmentStates`."""
    live = np.flatnonzero(state.is_live)

    def word(codes: Codes, names: Sequence[str]) -> npt.NDArray[np.object_]:
        return np.asarray([*names, None], dtype=object)[codes[live]]

    def track(track: Track, name: str, kind: str, rule: str, words: Sequence[str], rules: Sequence[str]) -> Any:
        return {
            name: word(track.state, words),
            rule: word(track.rule, rules),
            f"{kind}_since": _dates(track.since[live]),
            f"{kind}_move_rule": word(track.move_rule, MOVE_RULES),
            f"candidate_{kind}": word(track.candidate, words),
            f"candidate_{rule}": word(track.candidate_rule, rules),
            f"candidate_{kind}_points": track.points_held[live],
            f"{kind}_basis_on": _dates(track.basis_on[live]),
            f"{kind}_basis": _basis_texts(track, live),
            f"{kind}_compared_with": _dates(track.compared_with[live]),
            f"{kind}_cause": track.cause[live],
            f"{kind}_cause_kind": track.cause_kind[live],
            f"{kind}_cause_text": track.cause_text[live],
        }

    standing = state.standing
    return pd.DataFrame(
        {
            "as_of": _dates(np.full(len(live), day, dtype="datetime64[D]")),
            "account_id": np.asarray(accounts, dtype=object)[live],
            **track(state.segment, "segment", "segment", "rule_id", SEGMENTS, book.rule_ids),
            **track(state.tier, "coverage_tier", "tier", "tier_rule_id", TIERS, TIER_RULE_IDS),
            "behavioral_cohort": word(standing.cohort, book.words["cohort"]),
            "value_tier": word(standing.value_tier, VALUE_TIERS),
            "expansion_level": word(standing.expansion, LEVELS),
            "clv_level": word(standing.clv, LEVELS),
            "is_barely_used": standing.barely_used[live] == 1,
            "is_worth_saving": book.is_worth_saving(standing)[live],
            "is_above_long_tail": state.above.long_tail[live],
            "is_above_growth": state.above.growth[live],
            "is_above_strategic": state.above.strategic[live],
            "segment_at_renewal": word(state.renewal_segment, SEGMENTS),
            "renewal_on": _dates(state.renewal_on[live]),
        }
    )


def from_frame(rows: Any, point: Point, accounts: pd.Index, book: RuleBook) -> State:
    """What `to_frame` wrote after a grid point: one row per account, accounts without a row are not live.

    `point` is the grid point's own.
    """
    places = accounts.get_indexer(rows["account_id"])
    size = len(accounts)

    def spread(values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
        column = np.full(size, otherwise, dtype=values.dtype)
        column[places] = values
        return column

    def codes(name: str, names: Sequence[str]) -> Codes:
        return spread(_codes(rows[name], names), -1)

    def days(name: str) -> npt.NDArray[np.datetime64]:
        return spread(_days(rows[name]), np.datetime64("NaT", "D"))

    def texts(name: str) -> npt.NDArray[np.object_]:
        values = rows[name].astype(object)
        return spread(values.where(values.notna(), None).to_numpy(dtype=object), None)

    def flag(name: str) -> Flags:
        return spread(rows[name].to_numpy(dtype=bool), False)

    def track(name: str, kind: str, rule: str, words: Sequence[str], rules: Sequence[str], inputs: Any) -> Track:
        candidate = codes(f"candidate_{kind}", words)
        return Track(
            state=codes(name, words),
            rule=codes(rule, rules),
            since=days(f"{kind}_since"),
            move_rule=codes(f"{kind}_move_rule", MOVE_RULES),
            candidate=candidate,
            candidate_rule=codes(f"candidate_{rule}", rules),
            grid_candidate=candidate,
            points=spread(rows[f"candidate_{kind}_points"].to_numpy(dtype=np.int64), 0),
            basis=_basis_of(texts(f"{kind}_basis"), inputs),
            basis_on=days(f"{kind}_basis_on"),
            compared_with=days(f"{kind}_compared_with"),
            cause=texts(f"{kind}_cause"),
            cause_kind=texts(f"{kind}_cause_kind"),
            cause_text=texts(f"{kind}_cause_text"),
        )

    above = Thresholds(flag("is_above_long_tail"), flag("is_above_growth"), flag("is_above_strategic"))
    figures = point.figures
    standing = Standing(
        size=figures.size,
        cohort=codes("behavioral_cohort", book.words["cohort"]),
        value_tier=codes("value_tier", VALUE_TIERS),
        needs=figures.needs,
        expansion=codes("expansion_level", LEVELS),
        clv=codes("clv_level", LEVELS),
        barely_used=flag("is_barely_used").astype(np.int64),
        value=figures.value,
        expansion_score=figures.expansion_score,
        clv_percentile=figures.clv_percentile,
        seat_activity=figures.seat_activity,
    )
    return State(
        is_live=spread(np.ones(len(rows), dtype=bool), False),
        segment=track("segment", "segment", "rule_id", SEGMENTS, book.rule_ids, standing),
        tier=track("coverage_tier", "tier", "tier_rule_id", TIERS, TIER_RULE_IDS, tier_inputs_of(point, above)),
        above=above,
        standing=standing,
        renewal_segment=codes("segment_at_renewal", SEGMENTS),
        renewal_on=days("renewal_on"),
    )


def _basis_texts(track: Track, live: Rows) -> npt.NDArray[np.object_]:
    """What the rules read when they last gave the state, as JSON; None where they give it on the day itself."""
    texts = np.full(len(live), None, dtype=object)
    names = [field.name for field in fields(track.basis)]
    for place in np.flatnonzero((track.candidate != track.state)[live]):
        values = {name: getattr(track.basis, name)[live[place]].item() for name in names}
        texts[place] = json.dumps({n: None if v != v else v for n, v in values.items()})  # noqa: PLR0124 - NaN
    return texts


def _basis_of(texts: npt.NDArray[np.object_], inputs: Any) -> Any:
    """The basis that `_basis_texts` wrote; the day's own inputs where it wrote none."""
    written = {place: json.loads(text) for place, text in enumerate(texts) if text is not None}
    if not written:
        return inputs
    columns = {}
    for field in fields(inputs):
        column = getattr(inputs, field.name).copy()
        for place, values in written.items():
            column[place] = np.nan if values[field.name] is None else values[field.name]
        columns[field.name] = column
    return replace(inputs, **columns)


def _kept_cohorts(column: Column, cohorts: Sequence[str]) -> Codes:
    """Bit i: the text names cohort i."""
    codes, texts = pd.factorize(column)  # a missing text has the code -1
    masks = [sum(1 << i for i, name in enumerate(cohorts) if name in t.split(KEPT_SEPARATOR)) for t in texts]
    return np.array([*masks, 0], dtype=np.int64)[codes]


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
    distinct, starts = np.unique(days[order], return_index=True)
    return dict(zip(distinct, np.split(order, starts[1:]), strict=True)) if len(distinct) else {}
