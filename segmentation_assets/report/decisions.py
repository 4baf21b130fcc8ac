"""The decisions that a report suggests, each with its arithmetic.

Here: the decisions, in the order protect, staff, grow, rebalance. Not here: the figures behind them (`capacity`,
`kpis`), or the next action for an account (`actions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from segmentation_assets.policy.segments import AT_RISK
from segmentation_assets.reading import plans
from segmentation_assets.reading.figures import counted, exact, hourly, money, number, share
from segmentation_assets.report.capacity import moved_accounts
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import Count

_NAMED = 5


@dataclass(frozen=True)
class NamedAccount:
    """An account that a decision names, and why."""

    account_id: str
    name: str
    why: str


@dataclass(frozen=True)
class Decision:
    """One decision: what to do, what it is worth, and the arithmetic, one line per step."""

    kind: str
    title: str
    worth: str
    arithmetic: tuple[str, ...]
    accounts: tuple[NamedAccount, ...] = ()
    page: str = ""
    everyone: Count | None = None
    """All accounts that the decision is about."""


def decisions(evidence: Evidence) -> tuple[Decision, ...]:
    """The decisions of the day, at most as many as the policy says (`report.decisions`)."""
    makers: Sequence[Callable[[Evidence], Decision | None]] = (protect, staff, grow, rebalance)
    suggested = [
        evidence.attempt(f"the decision to {make.__name__}", partial(make, evidence), None) for make in makers
    ]
    return tuple([decision for decision in suggested if decision][: evidence.policy.report.decisions])


def protect(evidence: Evidence) -> Decision | None:
    """Intervene in the At-Risk segment: expected loss against the cost of the interventions."""
    rows = evidence.of_day("segments", "arr * coalesce(churn_risk, 0) DESC, account_id", f"segment = '{AT_RISK}'")
    if not rows:
        return None
    policy, count = evidence.policy, len(rows)
    horizon = policy.churn.horizon_days
    arr, lost = sum(row["arr"] for row in rows), sum(_expected_loss(row) for row in rows)
    hours = count * policy.care.override_hours_per_month * policy.report.save_months
    rate, source = _hourly_rate(evidence)
    rate_in_words = hourly(rate)
    unknown = sum(row["churn_risk"] is None for row in rows)
    total = evidence.rows("SELECT sum(arr) AS arr FROM segments WHERE as_of = ?", evidence.as_of)[0]["arr"]
    lines = [
        f"ARR of {counted(count, 'account')} in the At-Risk segment: {exact(arr)}, {share(arr / total)} of "
        f"{exact(total)}.",
        f"Expected loss: ARR × churn risk in {horizon} days, summed over these accounts, is {exact(lost)}"
        + (f" (without {counted(unknown, 'account')} whose risk is not known)." if unknown else "."),
        f"Cost: {count} × {number(policy.care.override_hours_per_month, 1)} h a month × "
        f"{number(policy.report.save_months, 1)} months × {rate_in_words} an hour ({source}) = "
        f"{exact(hours * rate)}.",
    ]
    if lost > 0:
        lines.append(_pays_from(hours * rate, lost))
    return Decision(
        "Protect",
        f"Intervene in {counted(count, 'At-Risk account')}",
        f"{money(lost)} expected loss in {horizon} days",
        tuple(lines),
        tuple(
            _named(row, f"ARR {money(row['arr'])} × {share(row['churn_risk'])} = {money(_expected_loss(row))}")
            for row in rows[:_NAMED]
        ),
        everyone=evidence.sets.count((row["account_id"] for row in rows), "At-Risk accounts"),
    )


def _pays_from(cost: float, lost: float) -> str:
    if cost > lost:
        return f"It costs more than the loss that it can avoid: {exact(cost)} against {exact(lost)}."
    return f"It pays for itself if it avoids {share(cost / lost)} of that loss: {exact(cost)} ÷ {exact(lost)}."


def _expected_loss(row: Row) -> float:
    return row["arr"] * (row["churn_risk"] or 0)


def _hourly_rate(evidence: Evidence) -> tuple[float, str]:
    """The cost of a CSM hour and its source: the roster's mean weighted by available hours, else the policy's."""
    rows = evidence.of_day("csm_supply", where="hourly_cost IS NOT NULL AND available_hours > 0")
    hours = sum(row["available_hours"] for row in rows)
    if not hours:
        return evidence.policy.costs.csm_hourly_rate, "policy"
    return sum(row["available_hours"] * row["hourly_cost"] for row in rows) / hours, "mean of the roster"


def staff(evidence: Evidence) -> Decision | None:
    """Move people between tiers and hire for the rest, as `capacity_plan` advises."""
    rows = plans.in_hundredths(evidence.of_day("capacity_plan", "gap_fte, coverage_tier"))
    short = [row for row in rows if (row["rebalanced_in_fte"] or 0) + (row["hired_fte"] or 0) > 0]
    if not short:
        return None
    hired, moved = sum(row["hired_fte"] for row in short), sum(row["rebalanced_in_fte"] for row in short)
    costs = [row["hiring_cost"] for row in short]
    cost = None if any(each is None for each in costs) else sum(costs)
    bare = sum(row["arr"] - row["covered_arr"] for row in rows)
    accounts = moved_accounts(evidence)
    lines = [plans.company_people(rows), *plans.rebalancing(rows, [])[:1], *plans.hiring(rows)]
    if hired > 0 and bare > 0:
        worth = f"ARR that the people available cannot give its full care, before hiring: {exact(bare)}."
        lines.append(f"{worth} Hiring costs {share(cost / bare)} of it a year." if cost else worth)
    parts = [f"move {number(moved, 2)} people between tiers"] if moved > 0 else []
    parts += [f"hire {number(hired, 2)} people"] if hired > 0 else []
    tiers = plans.listed([row["coverage_tier"] for row in short])
    title = ", then ".join(parts)
    return Decision(
        "Staff",
        f"{title[:1].upper()}{title[1:]} for {tiers}",
        f"{money(bare)} ARR without its full care",
        tuple(lines),
        tuple(
            _named(
                row, f"{row['direction']} {number(row['hours_per_month'], 1)} h a month, worth {money(row['worth'])}"
            )
            for row in accounts[:_NAMED]
        ),
        page="capacity",
        everyone=evidence.sets.count((row["account_id"] for row in accounts), "Give or get hours")
        if accounts
        else None,
    )


def grow(evidence: Evidence) -> Decision | None:
    """Open expansion with the accounts that are ready: their whitespace against the gap to the expansion goal."""
    if not evidence.has("expansion_scores"):
        return None
    rows = evidence.rows(
        "SELECT s.account_id, s.account_name, s.arr, s.micro_segment_reason, e.whitespace FROM segments s "
        "JOIN expansion_scores e ON e.account_id = s.account_id "
        "WHERE s.as_of = ? AND s.micro_segment = 'expansion_ready' AND e.whitespace > 0 "
        "ORDER BY e.whitespace DESC, s.account_id",
        evidence.as_of,
    )
    if not rows:
        return None
    whitespace = sum(row["whitespace"] for row in rows)
    lines = [
        f"Accounts with signs of expansion: {number(len(rows))}. Their whitespace (ARR at the peers' price per "
        f"employee, less their own ARR) sums to {exact(whitespace)}."
    ]
    goal = evidence.first_of_day("goal_gap")
    if goal and (goal["gap"] or 0) > 0:
        lines += [
            f"Goal: {exact(goal['expansion_target'])} expansion in twelve months; expected: "
            f"{exact(goal['expected_expansion'])}; gap: {exact(goal['gap'])}.",
            f"Winning {share(min(goal['gap'] / whitespace, 1))} of that whitespace closes "
            + (
                f"the gap: {exact(goal['gap'])} ÷ {exact(whitespace)}."
                if whitespace >= goal["gap"]
                else f"{share(whitespace / goal['gap'])} of the gap: {exact(whitespace)} ÷ {exact(goal['gap'])}."
            ),
        ]
    return Decision(
        "Grow",
        f"Open expansion with {counted(len(rows), 'account')} ready to expand",
        f"{money(whitespace)} whitespace",
        tuple(lines),
        tuple(
            _named(row, f"whitespace {money(row['whitespace'])}; {row['micro_segment_reason']}")
            for row in rows[:_NAMED]
        ),
        everyone=evidence.sets.count((row["account_id"] for row in rows), "Ready to expand, with whitespace"),
    )


def rebalance(evidence: Evidence) -> Decision | None:
    """Move hours from accounts that got more than they are entitled to, to those that got less."""
    rows = evidence.of_day("coverage_leakage", "under_served_arr DESC, account_id")
    over = [row for row in rows if row["service"] == "over_served" and row["over_served_hours"]]
    under = [row for row in rows if row["service"] == "under_served" and row["under_served_hours"]]
    if not over or not under:
        return None
    spare, lacking = sum(row["over_served_hours"] for row in over), sum(row["under_served_hours"] for row in under)
    cost, arr = sum(row["over_served_cost"] or 0 for row in over), sum(row["under_served_arr"] or 0 for row in under)
    return Decision(
        "Rebalance",
        f"Move {number(min(spare, lacking))} h from over- to under-served accounts",
        f"{money(arr)} ARR under-served",
        (
            f"{counted(len(over), 'account')} got {number(spare)} h more in twelve months than they were entitled "
            f"to, worth {exact(cost)}.",
            f"{counted(len(under), 'account')} got {number(lacking)} h less; {exact(arr)} ARR went without its care.",
            f"The smaller of the two can move: {number(min(spare, lacking))} h.",
        ),
        tuple(_named(row, f"lacks {number(row['under_served_hours'])} h") for row in under[:_NAMED]),
        page="capacity",
        everyone=evidence.sets.count((row["account_id"] for row in under), "Under-served"),
    )


def _named(row: Row, why: str) -> NamedAccount:
    return NamedAccount(row["account_id"], row.get("account_name") or row["account_id"], why)
