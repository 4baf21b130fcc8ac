"""The same figures a second time, in loops over plain Python, to hold the tables against. No Ibis, no pandas.

A history is a list of subscription periods (account, mrr, first day, first day no longer or None, subscription), all
in the reporting currency. A subscription's next period ends the one before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

Period = tuple[str, float, date, date | None, str]
UNASSIGNED, NOT_LIVE = "unassigned", "not_live"


def mrr(history: Sequence[Period], account: str, day: date) -> float:
    """What the account pays per month at the end of the day."""
    total = 0.0
    for who, amount, start, end, subscription in history:
        is_replaced = any(s == subscription and start < begun <= day for _, _, begun, _, s in history)
        if who == account and start <= day and (end is None or end > day) and not is_replaced:
            total += amount
    return round(total, 2)


def ever_paid_by(history: Sequence[Period], account: str, day: date) -> bool:
    """Whether the account paid on or before the day."""
    return any(who == account and amount > 0 and start <= day for who, amount, start, *_ in history)


def movement(history: Sequence[Period], account: str, t0: date, t1: date) -> tuple[str, float]:
    """What happened between two points in time, and by how much per month; ("none", 0) without revenue at both."""
    a, b = mrr(history, account, t0), mrr(history, account, t1)
    if a == 0 and b == 0:
        return "none", 0.0
    if a == 0:
        return ("reactivation" if ever_paid_by(history, account, t0) else "new"), b
    if b == 0:
        return "churn", a
    if b > a:
        return "expansion", round(b - a, 2)
    return ("contraction", round(a - b, 2)) if b < a else ("flat", 0.0)


@dataclass
class Retention:
    """NRR, GRR, logo retention, expansion rate of a closed cohort; None without one."""

    nrr: float | None
    grr: float | None
    logo_retention: float | None
    expansion_rate: float | None


def retention(history: Sequence[Period], t0: date, t1: date, among: Sequence[str]) -> Retention:
    """Of those accounts `among` the history's that have revenue at t0."""
    cohort = [x for x in among if mrr(history, x, t0) > 0]
    if not cohort:
        return Retention(None, None, None, None)
    start = end = kept = 0.0
    stayed = grew = 0
    for account in cohort:
        a, b = mrr(history, account, t0), mrr(history, account, t1)
        start, end, kept = start + a, end + b, kept + min(a, b)
        stayed, grew = stayed + (b > 0), grew + (b > a)
    return Retention(end / start, kept / start, stayed / len(cohort), grew / len(cohort))


def accounts(history: Sequence[Period]) -> list[str]:
    """All accounts of the history."""
    return sorted({who for who, *_ in history})


Tiers = Mapping[tuple[str, date], str]


def place(history: Sequence[Period], tiers: Tiers, account: str, day: date) -> str:
    """Where the account stands on a day."""
    return tiers.get((account, day), UNASSIGNED) if mrr(history, account, day) > 0 else NOT_LIVE


def migration(history: Sequence[Period], tiers: Tiers, t0: date, t1: date) -> dict[tuple[str, str], int]:
    """Accounts by (place at t0, place at t1), without those that were never live."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for account in accounts(history):
        way = (place(history, tiers, account, t0), place(history, tiers, account, t1))
        if way != (NOT_LIVE, NOT_LIVE):
            counts[way] += 1
    return dict(counts)
