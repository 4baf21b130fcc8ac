"""The renewals page: what renews in 30, 60 and 90 days and in the quarter, the expected loss, what will likely stay.

Here: the page's view model. Not here: the sums and intervals (`kpis.renewals`), or the accounts of a number (the
script takes them from the list of accounts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from segmentation_assets.policy.segments import AT_RISK, TIERS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import counted, day, money, share
from segmentation_assets.report.accounts import csm_names, segments_with_health
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import Count
from segmentation_assets.tables.quarters import quarter_start

WINDOWS = "renewal_windows"
_QUARTER = "quarter"
_UNASSIGNED = "unassigned"
_MOST_DAYS = 93


@dataclass(frozen=True)
class WindowCell:
    """One window of one group: the sums, and the accounts behind each count."""

    row: Row
    due: Count
    at_risk: Count
    leaving: Count


@dataclass(frozen=True)
class RenewalLine:
    """One tier or CSM over all windows; None: nothing renews."""

    name: str
    key: str
    colour: str
    cells: tuple[WindowCell | None, ...]


@dataclass(frozen=True)
class RenewalsPage:
    """Everything on the page."""

    lead: str = ""
    windows: tuple[str, ...] = ()
    company: tuple[WindowCell | None, ...] = ()
    tiers: tuple[RenewalLine, ...] = ()
    csms: tuple[RenewalLine, ...] = ()
    confidence: str = ""
    accounts: Count | None = None
    gaps: tuple[str, ...] = ()


def renewals_page(evidence: Evidence) -> RenewalsPage:
    """Make the page."""
    gaps = evidence.gaps(WINDOWS, "account_profiles")
    if gaps:
        return RenewalsPage(gaps=gaps)
    rows = {(r["due_window"], r["grouping"], r["member"]): r for r in evidence.of_day(WINDOWS)}
    names = [*(f"days_{days}" for days in evidence.policy.renewal_windows.days), _QUARTER]
    accounts = _accounts(evidence)
    cells = _Cells(evidence, rows, names, accounts)
    csms = csm_names(evidence)
    members = sorted({member for _, grouping, member in rows if grouping == "csm"})
    last = names[-2]
    by_arr = sorted(members, key=lambda m: (m == _UNASSIGNED, -_due(rows, last, "csm", m), m))
    inside = [a for a in accounts if any(_is_in(a, name, evidence.as_of) for name in names)]
    return RenewalsPage(
        lead=_lead(rows, names, evidence),
        windows=tuple(window_name(name, evidence.as_of) for name in names),
        company=cells.of("company", "all"),
        tiers=tuple(
            RenewalLine(tier, tier, palette.TIERS.get(tier, "c6"), cells.of("tier", tier))
            for tier in (*TIERS, _UNASSIGNED)
            if any(key[1:] == ("tier", tier) for key in rows)
        ),
        csms=tuple(
            RenewalLine("nobody" if m == _UNASSIGNED else str(csms.get(m, m)), m, "", cells.of("csm", m))
            for m in by_arr
        ),
        confidence=share(evidence.policy.renewal_windows.confidence, 0),
        accounts=evidence.sets.count((a["account_id"] for a in inside), "Renewals ahead"),
    )


def window_name(name: str, as_of: date) -> str:
    """Within 30 days; or the quarter with its last day."""
    if name != _QUARTER:
        return f"Within {name.removeprefix('days_')} days"
    return f"By {day(_quarter_end(as_of))}"


def _quarter_end(as_of: date) -> date:
    start = quarter_start(as_of + timedelta(days=1))
    return quarter_start(start + timedelta(days=_MOST_DAYS)) - timedelta(days=1)


def _is_in(account: Row, name: str, as_of: date) -> bool:
    until = _quarter_end(as_of) if name == _QUARTER else as_of + timedelta(days=int(name.removeprefix("days_")))
    return account["renewal_on"] <= until


def _accounts(evidence: Evidence) -> list[Row]:
    """Live accounts with a renewal after as_of, with whether they are known to leave."""
    leaving = {
        row["account_id"]
        for row in evidence.rows(
            "SELECT account_id FROM account_profiles WHERE as_of = ? AND leaving_on IS NOT NULL", evidence.as_of
        )
    }
    return [
        {**row, "is_leaving": row["account_id"] in leaving}
        for row in segments_with_health(evidence)
        if row["renewal_on"]
    ]


def _due(rows: dict[tuple[str, str, str], Row], name: str, grouping: str, member: str) -> float:
    return rows.get((name, grouping, member), {}).get("arr_due", 0.0)


class _Cells:
    """The cells of a group: its row of each window, with the accounts behind it."""

    def __init__(self, evidence: Evidence, rows: Any, names: Sequence[str], accounts: Sequence[Row]) -> None:
        self._evidence, self._rows, self._names, self._accounts = evidence, rows, names, accounts

    def of(self, grouping: str, member: str) -> tuple[WindowCell | None, ...]:
        column = {"tier": "coverage_tier", "csm": "csm_id"}.get(grouping)
        mine = [a for a in self._accounts if column is None or (a[column] or _UNASSIGNED) == member]
        return tuple(self._cell(name, self._rows.get((name, grouping, member)), member, mine) for name in self._names)

    def _cell(self, name: str, row: Row | None, member: str, mine: Sequence[Row]) -> WindowCell | None:
        if row is None:
            return None
        as_of, sets = self._evidence.as_of, self._evidence.sets
        due = [a for a in mine if _is_in(a, name, as_of)]
        title = window_name(name, as_of) + ("" if member == "all" else f", {member}")
        return WindowCell(
            row,
            sets.count((a["account_id"] for a in due), f"Renewals: {title}"),
            sets.count((a["account_id"] for a in due if a["segment"] == AT_RISK), f"Renewals in At-Risk: {title}"),
            sets.count((a["account_id"] for a in due if a["is_leaving"]), f"Known to leave: {title}"),
        )


def _lead(rows: dict[tuple[str, str, str], Row], names: Sequence[str], evidence: Evidence) -> str:
    first = rows.get((names[0], "company", "all"))
    within = names[0].removeprefix("days_")
    if first is None:
        return f"Nothing renews within {within} days."
    part = f", {share(first['expected_grr'], 0)} of it" if first["expected_grr"] is not None else ""
    return (
        f"{counted(first['accounts'], 'account')} with {money(first['arr_due'])} ARR renew within {within} days; "
        f"{money(first['arr_at_risk'])} expected loss (ARR × churn risk). {money(first['expected_arr'])} "
        f"should stay{part}: between {money(first['expected_arr_low'])} and {money(first['expected_arr_high'])} with "
        f"{share(evidence.policy.renewal_windows.confidence, 0)} confidence."
    )
