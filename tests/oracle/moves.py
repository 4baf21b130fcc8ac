"""Moves of the week, the score parts around them, and what a first run announces: from naive walks in `standings`.

The state of every account on each day that moves lie between is walked anew. The inputs that moved an account are
those of `segment_states`: tests/segments/test_causes changes each cause back, which must undo the move. Not here: the
walk itself (`standings`).
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.standings import last_monday, states_on
from tests.segments.naive import Account

_KINDS = ("segment", "tier")
_TIERS = ["Strategic", "Growth", "Core", "Long-Tail"]
_MOVE = ["account_id", "kind", "effective_on"]


def _side(state: Account, kind: str) -> tuple[str, date, str]:
    """What an account is, since when, and how it came about."""
    if kind == "segment":
        return state.segment, state.segment_since, state.segment_how
    return state.tier, state.tier_since, state.tier_how


def _direction(kind: str, was: str, now: str) -> str:
    if now == "At-Risk":
        return "into_risk"
    if was == "At-Risk":
        return "out_of_risk"
    order = POLICY["segment_moves"]["segment_order"] if kind == "segment" else _TIERS
    return "down" if order.index(now) > order.index(was) else "up"


def segment_moves(company: Company) -> pd.DataFrame:
    """Accounts that stand elsewhere than on the day looked at before. In a home that was run once: no relabels."""
    _of_one_run(company)
    on = company.as_of
    monday = last_monday(on)
    looked_at = sorted({monday - timedelta(days=7), monday - timedelta(days=1), monday, on})
    rows = []
    for before, after in pairwise(looked_at):
        then, now = states_on(company, before), states_on(company, after)
        for account in sorted(then.keys() & now.keys()):
            rows += [
                _move(company, account, kind, (before, then[account]), (after, now[account]))
                for kind in _KINDS
                if _side(then[account], kind)[0] != _side(now[account], kind)[0]
            ]
    return pd.DataFrame(rows)


def _move(
    company: Company, account: str, kind: str, then: tuple[date, Account], later: tuple[date, Account]
) -> dict[str, object]:
    (before, was), (after, now) = then, later
    moved_from, moved_to = _side(was, kind)[0], _side(now, kind)[0]
    _, since, how = _side(now, kind)
    quarter = date(after.year, (after.month - 1) // 3 * 3 + 1, 1)
    cause, cause_kind, text, compared = "not_confirmed", "revenue", "", before
    if since > before and how == "start":
        rule, effective, cause = how, since, "came_back"
    elif since > before:
        rule, effective = how, since
        cause, cause_kind, text, compared = _cause(company, after, account, kind)
    elif before < quarter <= after:
        rule, effective, cause, cause_kind = "re_anchored", quarter, "re_anchored", "re_anchored"
    else:
        rule, effective = "not_confirmed", after
        of_end = _cause(company, before, account, kind)
        cause, cause_kind, text = (
            value if pd.notna(value) else other
            for value, other in zip(of_end[:3], (cause, cause_kind, text), strict=True)
        )
    return {
        "account_id": account,
        "kind": kind,
        "effective_on": pd.Timestamp(effective),
        "moved_from": moved_from,
        "moved_to": moved_to,
        "direction": _direction(kind, moved_from, moved_to),
        "move_rule": rule,
        "cause": cause,
        "cause_kind": cause_kind,
        "cause_text": text,
        "compared_with": pd.Timestamp(compared),
        "arr_before": was.last.arr,
        "arr_after": now.last.arr,
    }


def _cause(company: Company, on: date, account: str, kind: str) -> tuple:
    """The cause that `segment_states` states for a move: its input, kind, words and the day compared with."""
    states = company.kept(f"states by account {on}", lambda: _by_account(company.published("segment_states", on)))
    row = states.loc[account]
    return tuple(row[f"{kind}_{name}"] for name in ("cause", "cause_kind", "cause_text", "compared_with"))


def _by_account(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("account_id")


def segment_move_parts(company: Company) -> pd.DataFrame:
    """The score parts that changed most, from the parts of the two days that each move lies between."""
    rules, monday = POLICY["segment_moves"], last_monday(company.as_of)
    weeks_before = monday - timedelta(weeks=POLICY["stability"]["grid_points"])
    rows = []
    for move in segment_moves(company).itertuples():
        is_later = move.effective_on.date() > monday
        old, now = (monday, company.as_of) if is_later else (weeks_before, monday)
        change = (_parts(company, now, move.account_id) - _parts(company, old, move.account_id)).dropna()
        parts = sorted((-abs(round(value, 6)), *name, round(value, 6)) for name, value in change.items())
        parts = [part for part in parts if -part[0] >= rules["min_points"]][: rules["parts_named"]]
        for place, (_, score, part, points) in enumerate(parts, 1):
            rows.append({**{name: getattr(move, name) for name in _MOVE}, "place": place, "score": score,
                         "part": part, "change": points})  # fmt: skip
    return pd.DataFrame(rows, columns=[*_MOVE, "place", "score", "part", "change"])


class _Points(dict):
    """Points by score and part; what one day lacks is 0 on it."""

    def __sub__(self, other: _Points) -> pd.Series:
        both = self.keys() | other.keys()
        return pd.Series({name: self.get(name, 0.0) - other.get(name, 0.0) for name in both}, dtype=float)


def _parts(company: Company, on: date, account: str) -> _Points:
    def make() -> dict[str, _Points]:
        rows = company.published("score_contributions", on).dropna(subset="points")
        rows = rows[rows["score"].isin(POLICY["segment_moves"]["explained_scores"])]
        return {
            str(name): _Points(zip(zip(one["score"], one["part"], strict=True), one["points"], strict=True))
            for name, one in rows.groupby("account_id")
        }

    return company.kept(f"parts by account {on}", make).get(account, _Points())


def _of_one_run(company: Company) -> None:
    runs = company.published("segment_register")["run_id"].nunique()
    assert runs == 1, "several runs announced segments: what was announced before stands in no extract"


def segment_register(company: Company) -> pd.DataFrame:
    """A first run announces every account's segment and tier, each as entry 0 without a cause."""
    _of_one_run(company)
    day = pd.Timestamp(company.as_of)
    return pd.DataFrame(
        [
            {"account_id": account, "kind": kind, "entry": 0, "moved_from": None, "moved_to": now,
             "effective_on": pd.Timestamp(since), "cause_kind": None, "cause_text": None, "as_of": day,
             "is_newest": True, "seen_on": day}
            for account, state in states_on(company, company.as_of).items()
            for kind in _KINDS
            for now, since, _ in [_side(state, kind)]
        ]
    )  # fmt: skip


def segment_relabels(company: Company) -> pd.DataFrame:
    """A first run relabels nothing."""
    _of_one_run(company)
    names = ("moved_from", "moved_to", "cause_kind", "announced_on", "relabelled_on")
    return pd.DataFrame(columns=["account_id", "kind", "entry", *names])
