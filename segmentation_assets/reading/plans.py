"""Sentences about plans: people needed and available, moves between tiers and their worth, the gap to a goal.

Here: a table's row in, sentences out. Every number is that of a column, or comes with its arithmetic. People are
stated in hundredths: `in_hundredths` rounds a plan once, so that what the tiers need, have, move and hire adds up to
what is said of the company. Not here: computing any figure (`capacity`), or where a sentence is shown (the faces).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segmentation_assets.reading.figures import apportioned, day, exact, hourly, label, money, number, share

Row = Mapping[str, Any]

_UNKNOWN_PEOPLE = "how many are available is not known: there is no CSM roster"


def people(value: float | None) -> str:
    """A number of people: 2.19 people, 1.00 person."""
    text = number(value, 2)
    return f"{text} person" if text == "1.00" else f"{text} people"


_HUNDREDTHS = 2
_SMALL = 1e-6


def in_hundredths(plan: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of `capacity_plan` with people in hundredths that add up, over tiers and within a tier.

    The company's people needed and available are rounded, and the tiers' are apportioned to them. A tier's gap is the
    difference of its own two, and the people hired close it, except where too small a part of a person stays. Rows
    whose people are not known stay as they are.
    """
    order = [row["coverage_tier"] for row in plan]
    before = sorted((dict(row) for row in plan), key=lambda row: row["coverage_tier"])
    rows = [dict(row) for row in before]
    _apportion(rows, "required_fte")
    if not rows or any(row[name] is None for row in rows for name in ("available_fte", "gap_fte", *_ADVICE)):
        return _in_order(rows, order)
    lacking = sum(row["required_fte"] - row["available_fte"] for row in before)
    hired = sum(row["hired_fte"] for row in before)
    for name in ("available_fte", "rebalanced_in_fte", "rebalanced_out_fte"):
        _apportion(rows, name)
    _keep_even(rows, before)
    for row in rows:
        row["gap_fte"] = round(row["available_fte"] - row["required_fte"], _HUNDREDTHS)
    closed = [_left(row) < _SMALL and row["hired_fte"] > _SMALL for row in before]
    for row, is_closed in zip(rows, closed, strict=True):
        if is_closed:
            row["hired_fte"] = max(round(-row["gap_fte"] - row["rebalanced_in_fte"], _HUNDREDTHS), 0.0)
    if abs(hired - lacking) < _SMALL:
        hired = sum(row["required_fte"] - row["available_fte"] for row in rows)
    others = [row for row, is_closed in zip(rows, closed, strict=True) if not is_closed and row["hired_fte"] > _SMALL]
    for row in rows:
        row["hired_fte"] = row["hired_fte"] if row["hired_fte"] > _SMALL else 0.0
    if others:
        rest = hired - sum(row["hired_fte"] for row, is_closed in zip(rows, closed, strict=True) if is_closed)
        _apportion(others, "hired_fte", max(rest, 0.0))
    return _in_order(rows, order)


def _keep_even(rows: Sequence[dict[str, Any]], before: Sequence[Row]) -> None:
    """A tier that has just what it needs keeps no gap of a hundredth: the tier with the largest gap takes it."""
    place = max(range(len(rows)), key=lambda i: abs(before[i]["gap_fte"]))
    for row, exact_row in zip(rows, before, strict=True):
        gap = row["available_fte"] - row["required_fte"]
        if abs(exact_row["gap_fte"]) < _SMALL and gap:
            name = "available_fte" if gap > 0 else "required_fte"
            row[name] = round(row[name] - abs(gap), _HUNDREDTHS)
            rows[place][name] = round(rows[place][name] + abs(gap), _HUNDREDTHS)


def _in_order(rows: Sequence[dict[str, Any]], tiers: Sequence[str]) -> list[dict[str, Any]]:
    """The rows in the order of these tiers; what sets the people needed is shown as these."""
    for row in rows:
        row[f"fte_by_{row['required_by']}"] = row["required_fte"]
    return sorted(rows, key=lambda row: tiers.index(row["coverage_tier"]))


_ADVICE = ("rebalanced_in_fte", "rebalanced_out_fte", "hired_fte")


def _apportion(rows: Sequence[dict[str, Any]], name: str, total: float | None = None) -> None:
    """Round a column of the rows to hundredths that add up to its rounded sum, or to `total`."""
    values = [row[name] for row in rows]
    whole = sum(values) if total is None else total
    scale = whole / sum(values) if sum(values) else 0.0
    parts = apportioned([value * scale for value in values], round(whole, _HUNDREDTHS), _HUNDREDTHS)
    for row, part in zip(rows, parts, strict=True):
        row[name] = part


def company_people(plan: Sequence[Row]) -> str:
    """How many people, over all tiers of `capacity_plan`: needed, available, and their difference as shown."""
    if not plan:
        return ""
    required = sum(row["required_fte"] for row in plan)
    if any(row["available_fte"] is None for row in plan):
        csms = max(row["named_csms"] for row in plan)
        crm = f"; the CRM names {csms:,} CSM{'' if csms == 1 else 's'}" if csms else ""
        return f"{people(required)} needed; {_UNKNOWN_PEOPLE}{crm}."
    return _needed_and_available(required, sum(row["available_fte"] for row in plan))


def _needed_and_available(required: float, available: float) -> str:
    missing = round(round(required, _HUNDREDTHS) - round(available, _HUNDREDTHS), _HUNDREDTHS)
    if missing == 0:
        return f"{people(required)} needed, {number(available, 2)} available."
    word = "too few" if missing > 0 else "to spare"
    return f"{people(required)} needed, {number(available, 2)} available: {number(abs(missing), 2)} {word}."


def tier_action(row: Row) -> str:
    """What to do about a tier, in a few words."""
    if row["action"] == "unknown":
        return "Not known: no CSM roster"
    if row["action"] is None or row["rebalanced_in_fte"] is None:
        return "Not known: the plan has no action"
    parts = []
    if _is_shown(row["rebalanced_in_fte"]):
        parts.append(f"take {number(row['rebalanced_in_fte'], 2)} from tiers with people to spare")
    if _is_shown(row["hired_fte"]):
        parts.append(f"hire {number(row['hired_fte'], 2)}{_for(row['hiring_cost'])}")
    if _is_shown(row["rebalanced_out_fte"]):
        parts.append(f"give {number(row['rebalanced_out_fte'], 2)} to tiers with too few")
    if not parts and row["action"] == "spare":
        parts.append(f"keep: {number(row['gap_fte'], 2)} to spare, and no other tier needs them")
    if not parts and _is_shown(row["gap_fte"]):
        parts.append(f"keep: {number(row['gap_fte'], 2)} to spare, too small a part of a person to move")
    if lacks_too_little(row):
        parts.append(f"{number(_left(row), 2)} too few, too small a part of a person to move or hire")
    text = " and ".join(parts) or "keep"
    return text[:1].upper() + text[1:]


def lacks_too_little(row: Row) -> bool:
    """Whether a tier still lacks people after moves and hiring: too small a part of a person to act on."""
    return row["available_fte"] is not None and _is_shown(_left(row))


def _left(row: Row) -> float:
    taken = (row["rebalanced_in_fte"] or 0.0) + (row["hired_fte"] or 0.0)
    return max(-(row["gap_fte"] or 0.0) - taken, 0.0)


def _unmoved(row: Row) -> float:
    """People whom a tier has to spare after moves."""
    return max((row["gap_fte"] or 0.0) - (row["rebalanced_out_fte"] or 0.0), 0.0)


def _is_shown(fte: float | None) -> bool:
    """Whether the number is above 0 when rounded to two decimals, so that no sentence moves 0.00 people."""
    return fte is not None and round(fte, 2) > 0


def _for(cost: float | None) -> str:
    return "" if cost is None else f" for {money(cost)} a year"


def tier_arithmetic(row: Row) -> tuple[str, ...]:
    """The arithmetic of the people needed in a tier, one line per step."""
    lines = []
    if row["fte_by_ratio"] and row["accounts_per_csm_target"]:
        lines.append(
            f"By ratio: {row['accounts']:,} accounts ÷ {number(row['accounts_per_csm_target'], 1)} a person = "
            f"{number(row['fte_by_ratio'], 2)}."
        )
    if row["fte_by_hours"]:
        lines.append(
            f"By hours: {number(row['demanded_hours'], 1)} h a month ÷ {number(row['hours_per_fte'], 1)} h a person "
            f"= {number(row['fte_by_hours'], 2)}."
        )
    available = _UNKNOWN_PEOPLE
    if row["available_fte"] is not None:
        available = f"{number(row['available_fte'], 2)} available; gap {number(row['gap_fte'], 2)}"
    lines.append(f"Needed, the larger (by {row['required_by']}): {number(row['required_fte'], 2)}; {available}.")
    return tuple(lines)


def hiring(plan: Sequence[Row]) -> list[str]:
    """How many people to hire per tier at what cost, and the gaps that stay: too small to move or hire for.

    The hired add up to what the company lacks. Spare people are named where people are hired all the same.
    """
    hired = [row for row in plan if _is_shown(row["hired_fte"])]
    lines = []
    if hired:
        each = [
            f"{number(row['hired_fte'], 2)} for {row['coverage_tier']}"
            + ("" if row["hiring_cost"] is None else f" ({exact(row['hiring_cost'])} a year)")
            for row in hired
        ]
        lines.append(f"Hire {listed(each)}.")
    small = [f"{number(_left(row), 2)} too few in {row['coverage_tier']}" for row in plan if lacks_too_little(row)]
    if hired:
        spare = [row for row in plan if row["available_fte"] is not None and _is_shown(_unmoved(row))]
        small += [f"{number(_unmoved(row), 2)} to spare in {row['coverage_tier']}" for row in spare]
    if small:
        lines.append(f"Too small a part of a person to move or hire: {listed(small)}.")
    return lines


def listed(words: Sequence[str]) -> str:
    """The words as a list in a sentence: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def rebalancing(plan: Sequence[Row], moved: Sequence[Row]) -> list[str]:
    """Which tiers give and get people, which accounts give and get hours, and what that is worth."""
    gives = [row for row in plan if (row["rebalanced_out_fte"] or 0) > 0]
    gets = [row for row in plan if (row["rebalanced_in_fte"] or 0) > 0]
    if not gives or not gets:
        return []
    from_tiers = ", ".join(f"{row['coverage_tier']} {number(row['rebalanced_out_fte'], 2)}" for row in gives)
    to_tiers = ", ".join(f"{row['coverage_tier']} {number(row['rebalanced_in_fte'], 2)}" for row in gets)
    lines = [
        f"First move people: {from_tiers} to {to_tiers}. This gives "
        f"{exact(sum(row['rebalanced_arr'] for row in gets))} ARR its full care."
    ]
    for direction, verb, worth in (("gives", "give", "worth {} a year"), ("gets", "get", "care for {} of ARR")):
        rows = [row for row in moved if row["direction"] == direction]
        if rows:
            hours, amount = sum(row["hours_per_month"] for row in rows), sum(row["worth"] for row in rows)
            lines.append(
                f"{_accounts(len(rows))} {verb}{'' if len(rows) > 1 else 's'} {number(hours, 1)} h a month, "
                f"{worth.format(exact(amount))}: {_named(rows)}."
            )
    return lines


_NAMED = 5


def _named(rows: Sequence[Row]) -> str:
    ordered = sorted(rows, key=lambda row: (-row["worth"], row["account_id"]))
    hours = [row["hours_per_month"] for row in ordered]
    names = [
        f"{row.get('account_name') or row['account_id']} {number(part, 1)} h"
        for row, part in zip(ordered, apportioned(hours, sum(hours), 1), strict=True)
    ]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _accounts(count: int) -> str:
    return f"{count:,} account" + ("" if count == 1 else "s")


def against_flat(plan: Sequence[Row]) -> list[str]:
    """Tiered coverage against the same people spread evenly."""
    if not plan or any(row["available_fte"] is None for row in plan):
        return []
    names = ("covered_arr", "flat_covered_arr", "gain_over_flat", "flat_wasted_cost")
    covered, flat, gain, wasted = (sum(row[name] or 0 for row in plan) for name in names)
    return [
        f"Compared with flat coverage (the same people, accounts spread evenly), {money(covered)} instead of "
        f"{money(flat)} ARR gets its full care: a difference of {money(gain)}.",
        f"Flat coverage would spend {exact(wasted)} a year on people that its tiers do not need.",
    ]


def assignment(run: Row | None, constraints: Iterable[Row], loads: Sequence[Row]) -> list[str]:
    """How good the proposed assignment is, what limits it, and which CSMs it overloads more than today."""
    if run is None:
        return []
    if run["available_fte"] is None:
        return ["No assignment is proposed: there is no CSM roster. Accounts stay with the CSM whom the CRM names."]
    lines = [
        f"The proposed assignment keeps {run['kept_accounts']:,} of {run['could_stay_accounts']:,} accounts that "
        f"could stay ({share(run['continuity'])}), moves {run['moved_accounts']:,}, places {run['new_accounts']:,} "
        f"that had no CSM on the roster, and leaves {run['unassigned_accounts']:,} without one."
        + ("" if run["gap"] is None else f" No other one is better by more than {share(run['gap'], 2)}."),
        _needed_and_available(run["required_fte"], run["available_fte"])
        + (f" {people(run['leaving_fte'])} of them leave soon and take no accounts." if run["leaving_fte"] else ""),
    ]
    lines += [f"{row.get('csm_name') or row['csm_id']} goes from {share(row['load_share'], 0)} to "
              f"{share(row['proposed_load_share'], 0)} of what one person can carry."
              for row in loads if row["change"] == "more_overloaded"]  # fmt: skip
    return lines + [what_binds(rows) for rows in _by_constraint(constraints).values()]


def _by_constraint(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["constraint"], []).append(row)
    return groups


def what_binds(rows: Sequence[Row]) -> str:
    """One constraint of the assignment, and how many people it is short of."""
    name, relief = rows[0]["constraint"], number(rows[0]["relief_fte"], 2)
    short = [row for row in rows if row["short_fte"]]
    people_short = apportioned(
        [row["short_fte"] for row in short], sum(row["short_fte"] for row in short), _HUNDREDTHS
    )
    groups = ", ".join(f"{number(n, 2)} {_group(row)}" for n, row in zip(people_short, short, strict=True))
    if name == "roster":
        return f"Nobody is on the roster, so nobody can take accounts: {relief} people are needed."
    if name == "people":
        return f"Too few CSMs who fit: {groups or relief}."
    what = {
        "level": "CSMs of the level that the tier needs",
        "region": "CSMs for the region",
        "industry": "CSMs who know the industry",
    }.get(name, "CSMs who fit in level, region and industry at once")
    return f"With more {what}, {relief} fewer people would be short" + (f"; nobody fits {groups}." if groups else ".")


def _group(row: Row) -> str:
    who = row["coverage_tier"] or row["level"] or "level not known"
    return f"{who} in {label(row['region']) if row['region'] else 'any region'}"


def assignment_reason(row: Row) -> str:
    """Why an account has the CSM that `csm_assignments` proposes."""
    current, chosen = row["current_csm_id"], row["csm_id"]
    return {
        "fits": "The CSM fits; a handover would cost more than it gains.",
        "had_no_csm": "The account had no CSM.",
        "csm_leaves": f"{current} leaves on {day(row['current_csm_leaves_on'])}.",
        "relieves_or_fits_better": f"{chosen} has more room, or knows the industry better, than {current}.",
        "csm_does_not_fit": f"{current} does not fit in level, region or industry.",
        "csm_not_on_roster": f"{current} is not on the roster.",
        "nobody_fits_or_has_room": f"Nobody fits or has room: {row['constraint']}.",
        "automated_tier": "The tier has no named CSM.",
        "no_roster": "There is no CSM roster: the CSM in the CRM stays.",
    }[row["reason"]]


def goal(row: Row) -> list[str]:
    """The gap between expected expansion and its goal, and whether moving hours closes it."""
    if row["gap"] is None:
        return ["The gap is not known: there is neither a run rate nor a pipeline."]
    lines = [
        f"Target {hourly(row['expansion_target'])} less expected {hourly(row['expected_expansion'])}: "
        f"a gap of {hourly(row['gap'])}."
        if row["gap"] > 0
        else f"Expected expansion {hourly(row['expected_expansion'])} reaches the target "
        f"{hourly(row['expansion_target'])}: no hours need to move."
    ]
    more = hourly((row["to_expansion_per_hour"] or 0) - (row["from_expansion_per_hour"] or 0))
    to_tier = (
        f"One more CSM hour in {row['to_tier']} came with {hourly(row['to_expansion_per_hour'])} more expansion "
        f"({hourly(row['to_expansion_per_hour_low'])} to {hourly(row['to_expansion_per_hour_high'])})"
        if row["to_tier"]
        else ""
    )
    if row["reallocation"] == "nothing_to_spare":
        lines.append(f"{to_tier}, but no tier has people to spare: {_plan_in_words(row)}")
    elif row["reallocation"] == "not_proven":
        lines.append(
            f"{to_tier}, not clearly more than in the tiers with people to spare. Moving hours does not help."
        )
    elif row["reallocation"] in ("closes_the_gap", "closes_part"):
        lines += [
            f"{to_tier}, in {row['from_tier']} with {hourly(row['from_expansion_per_hour'])}: moving one adds "
            f"{more}.",
            f"{hourly(row['gap'])} ÷ {more} = {number(row['hours_to_close'])} hours; {row['from_tier']} has "
            f"{number(row['hours_available'])} to spare: {number(row['hours_to_move'])} × {more} = "
            f"{hourly(row['gap_closed'])}.",
        ]
    elif row["reallocation"] == "unknown":
        lines.append("The effect of one more CSM hour, or the tier with people to spare, is not known.")
    return lines


def _plan_in_words(row: Row) -> str:
    return _needed_and_available(row["required_fte"], row["available_fte"])
