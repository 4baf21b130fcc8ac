"""Sentences about a trial, for the terminal and the page.

Here: a change of policy, the cause of a move and the outcome of a comparison, in words and tables of texts. Not here:
any figure (`comparing`), or how a face lays tables out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import section_names
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading.escaping import on_one_line
from segmentation_assets.reading.figures import counted, day, label, money, number, points, share
from segmentation_assets.trials.comparing import SEGMENT, TIER, InputChange, Moved, Pair
from segmentation_assets.trials.policies import Difference
from segmentation_assets.trials.sweeping import Point, Sweep
from segmentation_assets.trials.tuning import Tuning
from segmentation_assets.trials.what_if import WhatIf

GROUPING_NAMES: Mapping[str, str] = {TIER: "tier", SEGMENT: "segment"}
_WALKS = ("segment_grid", "segment_states")
_SHARES = {"lookalike", "seat_activity"}
_AMOUNTS = {"arr", "strategic_cut", "top_cut"}
_MOST_NAMED = 3
_LONGEST_VALUE = 60


def difference(one: Difference) -> str:
    """A key of the policy with both values; a list only says that it differs."""
    before, after = _value(one.before), _value(one.after)
    if max(len(before), len(after)) > _LONGEST_VALUE:
        return f"{one.name}: another list"
    return f"{one.name}: {before} → {after}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, int | float) and abs(value) < 1e6 else str(value)


def cause(move: Moved, changed: Sequence[Difference]) -> str:
    """Why the account is elsewhere: its inputs that the policy changed, else the rules."""
    if move.inputs:
        return ", ".join(_input(one) for one in move.inputs[:_MOST_NAMED])
    rules = " → ".join(label(rule.replace(":", ": ")) for rule in (move.rule_before, move.rule_after))
    bounds = [one.name for one in changed if one.section in _rule_sections()]
    if move.rule_before == move.rule_after or not bounds:
        return f"its figures of earlier Mondays (rule {rules})"
    more = f" and {len(bounds) - _MOST_NAMED} more" if len(bounds) > _MOST_NAMED else ""
    return f"rule {rules}, by {', '.join(bounds[:_MOST_NAMED])}{more}"


def _rule_sections() -> set[str]:
    names = section_names()
    return {names[section] for walk in _WALKS for section in CATALOGUE[walk].sections.values()}


def _input(one: InputChange) -> str:
    before, after = (_figure(one.name, value) for value in (one.before, one.after))
    return f"{label(one.name)} {before} → {after}"


def _figure(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return label(value)
    return share(value) if name in _SHARES else money(value) if name in _AMOUNTS else number(value, 1)


def outcome(trial: WhatIf) -> str:
    """What the comparison comes to, in a sentence."""
    if trial.is_same:
        return "No change: the policy equals production's."
    if not trial.changes_accounts:
        tables = ", ".join(trial.touches) or "no table"
        return f"No account moves: the change reaches {tables}, and no segment, tier or capacity plan."
    arr = {one.account_id: one.arr for one in trial.moved}
    if not trial.moved:
        moves = "No account moves."
    else:
        ways = Counter((GROUPING_NAMES[one.grouping], one.before, one.after) for one in trial.moved)
        (kind, before, after), most = min(ways.items(), key=lambda item: (-item[1], item[0]))
        moves = (
            f"{counted(len(arr), 'account')} with {money(sum(arr.values()))} ARR would be elsewhere, most of them "
            f"({most}) in {kind} {after} instead of {before}."
        )
    return f"{moves} {_people(trial)}".strip()


def _people(trial: WhatIf) -> str:
    total = trial.people[-1] if trial.people else None
    if total is None or total.required_fte.change is None:
        return ""
    change = round(total.required_fte.change, 2)
    if not change:
        return "The company needs as many people as before."
    cost = total.hiring_cost.change
    worth = f", hiring costs {money(abs(cost))} a year {'more' if cost > 0 else 'less'}" if cost else ""
    return f"The company needs {number(abs(change), 2)} people {'more' if change > 0 else 'fewer'}{worth}."


@dataclass(frozen=True)
class Shown:
    """A table for people: its cells are text."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(trial: WhatIf) -> tuple[Shown, ...]:
    """The comparison as tables. Under `then` stands the value under the other policy; empty: the same."""
    return tuple(
        one
        for one in (_groups(trial), _retention(trial), _capacity(trial), _stability(trial), _scores(trial))
        if one.rows
    )


def _groups(trial: WhatIf) -> Shown:
    rows = tuple(
        (GROUPING_NAMES[one.grouping], one.member, *_both(one.accounts, number), *_both(one.arr, money))
        for one in trial.groups
    )
    return Shown("Accounts and ARR", ("by", "member", "accounts", "then", "ARR", "then"), rows)


def _retention(trial: WhatIf) -> Shown:
    rows = tuple(
        (
            one.member, *_both(one.accounts, number), *_both(one.nrr, share), *_both(one.churn_rate, share),
            f"{share(one.nrr_low.after)} to {share(one.nrr_high.after)}",
        )
        for one in trial.retention
    )  # fmt: skip
    header = ("tier", "accounts", "then", "NRR", "then", "left", "then", "NRR then, interval")
    return Shown("Last 12 months of the accounts that were in each tier at their start", header, rows)


def _capacity(trial: WhatIf) -> Shown:
    rows = tuple(
        (
            one.member, *_both(one.hours_per_month, number), *_both(one.required_fte, _two),
            *_both(one.hired_fte, _two), *_both(one.hiring_cost, money),
        )
        for one in trial.people
    )  # fmt: skip
    header = ("tier", "hours", "then", "people", "then", "hire", "then", "cost", "then")
    return Shown("CSM hours a month, people needed, people to hire and their cost a year", header, rows)


def _stability(trial: WhatIf) -> Shown:
    rows = tuple(
        (
            GROUPING_NAMES[one.grouping], *_both(one.moves, number), *_both(one.monthly_share, share),
            *_both(one.undone, number),
        )
        for one in trial.stability
    )  # fmt: skip
    period = f"{day(trial.stability[0].first)} to {day(trial.stability[0].last)}" if rows else ""
    return Shown(
        f"Moves, {period}, without those into and out of At-Risk; a month: moves per account",
        ("by", "moves", "then", "a month", "then", "undone", "then"),
        rows,
    )


def _scores(trial: WhatIf) -> Shown:
    rows = tuple(
        (label(one.score), one.outcome, f"{one.window_months} months", *_both(one.auc, lambda auc: number(auc, 3)))
        for one in trial.scores
    )
    return Shown(
        "Scores: chance to place who left, or expanded, first (AUC)",
        ("score", "outcome", "window", "AUC", "then"),
        rows,
    )


def _both(pair: Pair, form: Callable[[Any], str]) -> tuple[str, str]:
    before, after = form(pair.before), form(pair.after)
    return before, "" if before == after else after


def _two(value: float | None) -> str:
    return number(value, 2)


def moves(trial: WhatIf, most: int | None = None) -> Shown:
    """Who would be elsewhere, the tier first, then the largest ARR."""
    rows = tuple(
        (
            one.account_id, on_one_line(one.account_name or ""), money(one.arr), GROUPING_NAMES[one.grouping],
            f"{one.before} → {one.after}", cause(one, trial.differences),
        )
        for one in trial.moved[:most]
    )  # fmt: skip
    return Shown("Who would be elsewhere", ("account", "name", "ARR", "by", "move", "because of"), rows)


def sweep_title(result: Sweep) -> str:
    """What a sweep shows."""
    return f"{result.name} from {result.points[0].value:,g} to {result.points[-1].value:,g}, on {day(result.as_of)}"


def sweep_tables(result: Sweep) -> tuple[Shown, ...]:
    """The points as tables; production's own value is marked."""
    names = [f"{point.value:,g}{' (today)' if point.is_production else ''}" for point in result.points]
    last = result.name.rpartition(".")[2]

    def shown(title: str, header: Sequence[str], cells: Callable[[Point], Sequence[str]]) -> Shown:
        rows = tuple((name, *cells(point)) for name, point in zip(names, result.points, strict=True))
        return Shown(title, (last, *header), rows)

    return (
        shown("Accounts by tier", TIERS, lambda p: [number(p.accounts[tier]) for tier in TIERS]),
        shown(
            "Accounts in another tier or segment than today; CSM hours a month and people needed",
            ("elsewhere", "their ARR", "hours", "people"),
            lambda p: (number(p.moved_accounts), money(p.moved_arr), number(p.hours_per_month), _two(p.required_fte)),
        ),
        shown("ARR by tier", TIERS, lambda p: [money(p.arr[tier]) for tier in TIERS]),
        shown(
            "NRR of the last 12 months, of the accounts in each tier at their start",
            TIERS,
            lambda p: [share(p.nrr[tier]) for tier in TIERS],
        ),
    )  # fmt: skip


def tuning_lines(result: Tuning) -> list[str]:
    """What a search came to: the values, the gain where it searched and where it was judged, and the limits."""
    what = {"nrr": "NRR", "churn": "churn"}[result.outcome]
    changed = {name: value for name, value in result.best.items() if value != result.before[name]}
    lines = [
        f"{counted(result.tried, 'policy', 'policies')} tried on quarters up to {day(result.fit_until)}, judged on "
        f"the {counted(result.accounts, 'account')} of the quarter after it."
    ]
    if not changed:
        return [*lines, "No other value within the limits is better than today's on the earlier quarters."]
    lines += [f"  {name}: {result.before[name]:,g} → {value:,g}" for name, value in changed.items()]
    interval = f"{result.confidence:.0%} interval {points(result.gain_low, 2)} to {points(result.gain_high, 2)}"
    lines += [
        f"Share of the differences in {what} that tiers tell: earlier quarters {share(result.fit[0])} → "
        f"{share(result.fit[1])}, last quarter {share(result.later[0])} → {share(result.later[1])} "
        f"(gain {points(result.gain, 2)}, {interval}).",
        f"People needed {_two(result.people)} of {_two(result.limits.people)} allowed; moves between tiers "
        f"{share(result.monthly_moves)} a month of {share(result.limits.monthly_moves)} allowed.",
    ]
    verdict = "Proposed. Try it with what-if before you put it into your policy:"
    return [*lines, verdict if result.is_proposed else "Not proposed: the gain may be chance."]


def as_data(trial: WhatIf) -> dict[str, Any]:
    """The comparison for machines: every figure, and the sentences."""
    data = asdict(trial) | {"outcome": outcome(trial), "is_same": trial.is_same}
    for row, move in zip(data["moved"], trial.moved, strict=True):
        row["cause"] = cause(move, trial.differences)
    return data
