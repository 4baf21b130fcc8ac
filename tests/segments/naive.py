"""The rules of segments and tiers once more, in plain Python, one account at a time, written from the specification.

Here: the matrix walked cell by cell and the state machine walked day by day, with the default numbers spelled out, so
that tests hold the real thing against them. Nothing here is imported from the rules under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

SIZES = ["smb", "mid_market", "enterprise"]
COHORTS = ["Dormant", "At Risk", "Steady State", "Power User"]
VALUE_TIERS = ["Bronze", "Silver", "Gold", "Platinum"]
NEEDS = ["Platform", "Expanding use case", "Specific use case", "Basic need", "Value not realized"]

ROWS = {
    "Strategic": (["enterprise"], ["Power User"], ["Platinum", "Gold"], "Platform"),
    "Growth": (["mid_market"], ["Steady State"], ["Gold", "Silver"], "Expanding use case"),
    "Efficient": (["smb", "mid_market"], ["Power User"], ["Silver", "Bronze"], "Specific use case"),
    "Long-Tail": (["smb"], ["At Risk", "Dormant"], ["Bronze"], "Basic need"),
}


@dataclass(frozen=True)
class Cell:
    size: str | None
    cohort: str | None
    value: str | None
    needs: str | None
    clv: float | None = None
    expansion: float | None = None
    activity: float | None = None


def matrix(cell: Cell) -> tuple[str, str]:  # noqa: C901 - the rules read top to bottom
    """(segment, rule id) of a cell."""
    worth = cell.clv >= 60 if cell.clv is not None else cell.value != "Bronze"
    if cell.cohort in ("At Risk", "Dormant") and worth:
        return "At-Risk", "at_risk"
    barely = cell.activity is not None and cell.activity < 0.2
    too_low = cell.expansion is not None and cell.expansion < 50
    best: tuple[float, str] | None = None
    for segment, (sizes, cohorts, tiers, needs) in ROWS.items():
        behaves = cell.cohort in cohorts or (segment == "Long-Tail" and barely)
        fits = cell.size in sizes and behaves and cell.value in tiers and cell.needs == needs
        if fits and not (segment == "Growth" and too_low):
            return segment, f"exact:{segment}"
    for segment, (sizes, cohorts, tiers, needs) in ROWS.items():
        gaps = []
        if cell.size is not None:
            gaps.append((15, min(abs(SIZES.index(cell.size) - SIZES.index(s)) for s in sizes) / 2))
        if cell.cohort is not None:
            gap = min(abs(COHORTS.index(cell.cohort) - COHORTS.index(c)) for c in cohorts) / 3
            gaps.append((30, 0 if segment == "Long-Tail" and barely else gap))
        if cell.value is not None:
            gap = min(abs(VALUE_TIERS.index(cell.value) - VALUE_TIERS.index(t)) for t in tiers) / 3
            gaps.append((35, gap))
        if cell.needs is not None:
            gaps.append((15, 0 if cell.needs == needs else 1))
        if not gaps:
            return "Long-Tail", "no_data"
        distance = round(sum(w * g for w, g in gaps) / sum(w for w, _ in gaps), 9)
        if best is None or distance < best[0]:
            best = (distance, segment)
    assert best is not None
    return best[1], f"nearest:{best[1]}:{int(best[0] * 1000 + 0.5) / 1000:.3f}"


@dataclass(frozen=True)
class Day:
    """What the rules say of one account on one day."""

    candidate: str
    arr: float
    value: str = "Gold"
    waits: bool = False
    cut: float | None = None
    top: float | None = None
    sign: str | None = None
    usage: bool = False
    growth: str = "absent"
    little: bool = False


@dataclass
class Account:
    """Where one account stands."""

    segment: str
    segment_since: date
    segment_how: str
    segment_seen: list[str]
    tier: str
    tier_since: date
    tier_how: str
    tier_seen: list[str]
    above: list[bool]
    last: Day


def bounds(day: Day) -> list[float | None]:
    return [10_000, 25_000, day.cut]


def above_after(above: list[bool], arr: float, day: Day) -> list[bool]:
    after = []
    for was, bound in zip(above, bounds(day), strict=True):
        if bound is None:
            after.append(False)
        elif arr >= bound:
            after.append(True)
        elif arr < bound * 0.9:
            after.append(False)
        else:
            after.append(was)
    return after


def tier(day: Day, arr: float, above: list[bool], current: str | None) -> str:
    factor = 0.9 if current == "Strategic" else 1
    if day.cut is not None and arr >= day.cut * factor:
        is_top = day.top is not None and arr >= day.top * factor
        if day.sign is not None or is_top:
            return "Strategic"
    if arr >= 25_000 and day.usage and day.growth == "present":
        return "Growth"
    if current == "Growth" and arr >= 22_500 and day.growth != "absent":
        return "Growth"
    if not above[0] and day.little:
        return "Long-Tail"
    return "Core"


def begin(day: Day, on: date, former: Account | None = None) -> Account:
    """An account whose walk starts, perhaps with a tier and sides of the thresholds from before."""
    above = above_after(former.above if former else [False] * 3, day.arr, day)
    first = tier(day, day.arr, above, former.tier if former else None)
    return Account(day.candidate, on, "start", [day.candidate], first, on, "start", [first], above, day)


def move(account: Account, day: Day, on: date, is_monday: bool) -> None:  # noqa: C901 - as above
    before = above_after(account.above, account.last.arr, day)
    above = above_after(before, day.arr, day)
    crossed = above != before

    new = day.candidate
    if is_monday:
        account.segment_seen.append(new)
    how = None
    if new != account.segment:
        if new == "At-Risk":
            how = None if day.waits else "risk_at_once"
        elif crossed and new != account.last.candidate and day.value != account.last.value:
            how = "arr_at_once"
        elif is_monday and account.segment_seen[-2:] == [new, new]:
            how = "held"
    if how:
        account.segment, account.segment_since, account.segment_how = new, on, how

    new = tier(day, day.arr, above, account.tier)
    if is_monday:
        account.tier_seen.append(new)
    how = None
    if new != account.tier:
        if crossed and tier(day, account.last.arr, before, account.tier) != new:
            how = "arr_at_once"
        elif is_monday and account.tier_seen[-2:] == [new, new]:
            how = "held"
    if how:
        account.tier, account.tier_since, account.tier_how = new, on, how
    account.above, account.last = above, day


def first_monday(year: int, quarter: int) -> date:
    """Of a quarter; quarters are counted on over the turn of the year, backwards too."""
    year, quarter = year + quarter // 4, quarter % 4
    on = date(year, 3 * quarter + 1, 1)
    while on.weekday() != 0:
        on += timedelta(days=1)
    return on


def remembered(days: Mapping[date, Day], first: date) -> Account | None:
    """Where the account stood on the Monday before `first`, the first Monday of a quarter.

    As far as four quarters tell: by the first Mondays of three, and every Monday of the last.
    """
    account: Account | None = None
    starts = [first_monday(first.year, (first.month - 1) // 3 - back) for back in (4, 3, 2, 1)]
    on = starts[0]
    while on < first:
        if on not in days:
            account = None
        elif account is None or on in starts:
            account = begin(days[on], on, account)
        else:
            move(account, days[on], on, is_monday=True)
        on = starts[starts.index(on) + 1] if on in starts[:-1] else on + timedelta(days=7)
    return account


def walk(days: Mapping[date, Day], first: date, until: date) -> Account | None:
    """Mondays from `first` to the last one on or before `until`, then the days up to `until`."""
    account: Account | None = None
    former = remembered(days, first)
    last_monday = until - timedelta(days=until.weekday())
    on = first
    while on <= until:
        if on not in days:
            account = None
        elif account is None:
            account = begin(days[on], on, former if on == first else None)
        else:
            move(account, days[on], on, on.weekday() == 0)
        on += timedelta(days=7 if on < last_monday else 1)
    return account
