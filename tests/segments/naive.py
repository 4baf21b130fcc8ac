"""The rules of segments and tiers once more, in plain Python, one account at a time, written from the specification.

Here: the ordered rules, exit bands and the state machine walked day by day, with the default numbers spelled out, so
that tests hold the real thing against them. Nothing here is imported from the rules under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

COHORTS = ["Dormant", "At Risk", "Power User", "Steady State"]  # the order of the policy's rules
VALUE_TIERS = ["Bronze", "Silver", "Gold", "Platinum"]
TROUBLE = ("Dormant", "At Risk")


def rule_of(size, cohort, value, needs, expansion, clv, barely) -> tuple[str, str]:  # noqa: C901 - as SPEC reads
    """(segment, rule id). `expansion` and `clv` are high, low or None; None is unknown everywhere."""
    facts = sum(part is not None for part in (size, cohort, value, needs))
    if facts < 2:
        if value is None:
            return "Efficient", "no_data"
        return ("Long-Tail" if value == "Bronze" else "Efficient"), "value_only"
    worth = clv == "high" or value != "Bronze"
    if cohort in TROUBLE and worth:
        return "At-Risk", "at_risk"
    if size == "enterprise" and value in ("Platinum", "Gold"):
        return "Strategic", "strategic_enterprise"
    if value == "Platinum" and needs == "Platform":
        return "Strategic", "strategic_platform"
    is_better = value in ("Silver", "Gold", "Platinum")
    if is_better and expansion != "low" and needs in ("Expanding use case", "Platform"):
        return "Growth", "growth_expanding"
    if size in ("mid_market", "enterprise") and is_better and expansion == "high" and needs != "Specific use case":
        return "Growth", "growth_larger"
    if value == "Bronze":
        if cohort in TROUBLE:
            return "Long-Tail", "long_tail_in_trouble"
        if size in ("smb", None) and needs in ("Basic need", "Value not realized", None):
            return "Long-Tail", "long_tail_basic_need"
        if size in ("smb", None) and barely:
            return "Long-Tail", "long_tail_barely_used"
    return "Efficient", "efficient"


@dataclass(frozen=True)
class Day:
    """What the rules read of one account on one day. `cuts`: the smallest value of Silver, Gold and Platinum."""

    size: str | None = "smb"
    cohort: str | None = "Steady State"
    kept: tuple[str, ...] = ()
    needs: str | None = "Specific use case"
    value: float | None = 150.0
    clv: float | None = None
    activity: float | None = 0.5
    expansion: float | None = None
    arr: float = 15_000.0
    waits: bool = False
    cut: float | None = None
    top: float | None = None
    sign: str | None = None
    behavior: float | None = None
    health: float | None = None
    alike: float | None = None
    renewal: date | None = None
    cuts: tuple[float, float, float] = (100, 200, 300)


@dataclass
class Standing:
    cohort: str | None = None
    value: str | None = None
    expansion: str | None = None
    clv: str | None = None
    barely: bool = False


def _value_tier(day: Day, lowered: float) -> str | None:
    if day.value is None:
        return None
    return VALUE_TIERS[sum(day.value >= cut * lowered for cut in day.cuts)]


def _level(score: float | None, before: str | None, enter: float, leave: float) -> str | None:
    if score is None:
        return None
    return "high" if score >= (leave if before == "high" else enter) else "low"


def standing_after(before: Standing, day: Day) -> Standing:
    cohort = day.cohort
    if before.cohort in day.kept and cohort is not None and COHORTS.index(before.cohort) < COHORTS.index(cohort):
        cohort = before.cohort
    value, kept = _value_tier(day, 1), _value_tier(day, 0.9)
    if value is not None and before.value is not None:
        lowest, highest = VALUE_TIERS.index(value), VALUE_TIERS.index(kept)
        value = VALUE_TIERS[max(lowest, min(VALUE_TIERS.index(before.value), highest))]
    barely = day.activity is not None and day.activity < (0.3 if before.barely else 0.2)
    return Standing(
        cohort,
        value,
        _level(day.expansion, before.expansion, 50, 40),
        _level(day.clv, before.clv, 60, 55),
        barely,
    )


def candidate_of(standing: Standing, day: Day) -> str:
    return rule_of(
        day.size, standing.cohort, standing.value, day.needs, standing.expansion, standing.clv, standing.barely
    )[0]


@dataclass
class Account:
    """Where one account stands."""

    standing: Standing
    segment: str
    segment_since: date
    segment_how: str
    segment_seen: list[str]
    tier: str
    tier_since: date
    tier_how: str
    tier_seen: list[str]
    above: list[bool]
    at_renewal: str
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


def _at_least(score: float | None, bound: float) -> bool:
    return score is not None and score >= bound


def tier(day: Day, arr: float, above: list[bool], current: str | None) -> str:
    for factor, expansion, applies in ((1, 70, True), (0.9, 65, current == "Strategic")):
        if applies and day.cut is not None and arr >= day.cut * factor:
            is_top = day.top is not None and arr >= day.top * factor
            if day.sign is not None or is_top or _at_least(day.expansion, expansion):
                return "Strategic"
    usage = _at_least(day.behavior, 60) and _at_least(day.health, 50)
    if arr >= 25_000 and usage and (_at_least(day.expansion, 50) or _at_least(day.alike, 0.5)):
        return "Growth"
    unknown = day.expansion is None and day.alike is None
    may = _at_least(day.expansion, 45) or _at_least(day.alike, 0.45) or unknown
    if current == "Growth" and arr >= 22_500 and may:
        return "Growth"
    bound = 50 if current in (None, "Long-Tail") else 45
    if not above[0] and day.expansion is not None and day.expansion < bound:
        return "Long-Tail"
    return "Core"


def begin(day: Day, on: date) -> Account:
    """An account whose walk starts."""
    standing = standing_after(Standing(), day)
    above = above_after([False] * 3, day.arr, day)
    first, segment = tier(day, day.arr, above, None), candidate_of(standing, day)
    return Account(standing, segment, on, "start", [segment], first, on, "start", [first], above, segment, day)


def move(account: Account, day: Day, on: date, is_monday: bool) -> None:  # noqa: C901 - as above
    before = above_after(account.above, account.last.arr, day)
    above = above_after(before, day.arr, day)
    crossed = above != before
    renews = account.last.renewal is not None and account.last.renewal <= on

    old = account.standing
    account.standing = standing_after(old, day)
    was, new = candidate_of(old, account.last), candidate_of(account.standing, day)
    if is_monday:
        account.segment_seen.append(new)
    value_side = (old.value, old.clv) != (account.standing.value, account.standing.clv)
    settled = account.segment_how == "start" or account.segment == "At-Risk"
    may_leave = settled or (on - account.segment_since).days >= 18 * 7
    how = None
    if new != account.segment:
        if new == "At-Risk":
            how = None if day.waits else "risk_at_once"
        elif crossed and new != was and value_side:
            how = "arr_at_once"
        elif is_monday and may_leave and account.segment_seen[-2:] == [new, new]:
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
    if renews:
        account.at_renewal = account.segment


def first_monday(year: int, month: int) -> date:
    """Of a month; months are counted on over the turn of the year, backwards too."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    on = date(year, month, 1)
    while on.weekday() != 0:
        on += timedelta(days=1)
    return on


def grid_points(first: date, until: date) -> list[date]:
    """The first Mondays of nine months, every Monday of the quarter before `first`, and those from it to `until`."""
    quarter_before = first_monday(first.year, first.month - 3)
    points = [first_monday(first.year, first.month - back) for back in range(12, 3, -1)]
    on = quarter_before
    while on <= until:
        points.append(on)
        on += timedelta(days=7)
    return points


def on_grid(days: Mapping[date, Day], first: date, until: date) -> Account | None:
    """Where an account stands after the grid point `until`, on the grid of `first`."""
    account: Account | None = None
    weekly = first_monday(first.year, first.month - 3)
    for on in grid_points(first, until):
        if on not in days:
            account = None
        elif account is None:
            account = begin(days[on], on)
        else:
            if on <= weekly:  # nobody looked in between: nothing is seen to have happened at once
                account.last = _with_arr_of(account.last, days[on])
            move(account, days[on], on, is_monday=True)
    return account


def _with_arr_of(before: Day, now: Day) -> Day:
    return Day(**{**now.__dict__, "renewal": before.renewal})


def walk_week(account: Account | None, days: Mapping[date, Day], after: date, until: date) -> Account | None:
    """From the state after the Monday `after`, day by day up to `until`."""
    on = after
    while on < until:
        on += timedelta(days=1)
        if on not in days:
            account = None
        elif account is None:
            account = begin(days[on], on)
        else:
            move(account, days[on], on, is_monday=False)
    return account


def walk(days: Mapping[date, Day], first: date, until: date) -> Account | None:
    """Where an account stands at the end of `until`."""
    monday = until - timedelta(days=until.weekday())
    week_before = monday - timedelta(days=7)
    eve = walk_week(on_grid(days, first, week_before), days, week_before, monday - timedelta(days=1))
    account = on_grid(days, first, monday)
    entered = eve is not None and eve.segment == "At-Risk" and eve.segment_since > week_before
    if eve and account and entered and (account.segment != "At-Risk" or account.segment_since == monday):
        account.segment, account.segment_how = eve.segment, eve.segment_how
        account.segment_since = eve.segment_since
    return walk_week(account, days, monday, until)
