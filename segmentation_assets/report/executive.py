"""The executive page: where the company stands, what changed, what to decide.

Here: the page's view model. Not here: the decisions' arithmetic (`decisions`) or the KPIs' own (`kpis`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation_assets.policy.segments import AT_RISK, SEGMENTS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import change, count_change, day, exact, money, number, points, share
from segmentation_assets.report import charts
from segmentation_assets.report.decisions import Decision, decisions
from segmentation_assets.report.evidence import Evidence, Row

_YEAR = 12


@dataclass(frozen=True)
class Headline:
    """One figure in large: its name, value, exact value, change since the last snapshot, and a word on it."""

    name: str
    value: str
    exact: str
    change: str = ""
    is_good: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class MixRow:
    """A segment's share of the company."""

    segment: str
    colour: str
    accounts: int
    accounts_change: str
    arr: float
    arr_share: float | None
    arr_change: str
    typical_share: float | None


@dataclass(frozen=True)
class Change:
    """What moved between the last snapshot and this one, in a sentence."""

    text: str
    page: str = ""


@dataclass(frozen=True)
class ExecutivePage:
    """Everything on the page. `gaps` say what is missing and why."""

    headlines: tuple[Headline, ...]
    mix: tuple[MixRow, ...]
    changes: tuple[Change, ...]
    decisions: tuple[Decision, ...]
    charts: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    no_history: str = ""


def executive_page(evidence: Evidence) -> ExecutivePage:
    """Make the page."""
    mix = _mix(evidence)
    gaps = evidence.gaps("company_kpis", "segment_mix", "capacity_plan", "goal_gap", "account_revenue")
    none_before = "" if evidence.previous else (
        f"{day(evidence.as_of)} is the first day that was run: nothing to compare with yet. "
        "Changes show from the next run on."
    )  # fmt: skip
    return ExecutivePage(
        headlines=tuple(_headlines(evidence)),
        mix=mix,
        changes=tuple(_changes(evidence)),
        decisions=decisions(evidence),
        charts=_charts(evidence),
        gaps=gaps,
        no_history=none_before,
    )


def _kpis(evidence: Evidence, as_of: Any) -> Row:
    if as_of is None or not evidence.has("company_kpis"):
        return {}
    rows = evidence.rows("SELECT * FROM company_kpis WHERE as_of = ? AND window_months = ?", as_of, _YEAR)
    return rows[0] if rows else {}


def _headlines(evidence: Evidence) -> list[Headline]:
    now, before = _kpis(evidence, evidence.as_of), _kpis(evidence, evidence.previous)
    live = evidence.rows("SELECT count(*) AS accounts, sum(arr) AS arr FROM segments WHERE as_of = ?", evidence.as_of)
    arr, accounts = live[0]["arr"] or 0.0, live[0]["accounts"]
    found = [
        Headline(
            "ARR", money(arr), exact(arr), change(_minus(arr, before.get("arr"))),
            _is_up(arr, before.get("arr")), _growth_note(now),
        ),
    ]  # fmt: skip
    for name, column in (("NRR", "nrr"), ("GRR", "grr")):
        value, old = now.get(column), before.get(column)
        found.append(
            Headline(
                f"{name}, 12 months", share(value), "" if value is None else f"{value:.4f}",
                points(_minus(value, old)) if old is not None else "", _is_up(_tenths(value), _tenths(old)),
                _retention_note(column, now),
            )
        )  # fmt: skip
    found.append(
        Headline(
            "Live accounts", number(accounts), exact(accounts),
            count_change(_minus(accounts, before.get("accounts"))),
            _is_up(accounts, before.get("accounts")),
            f"{share(now['logo_retention'])} of those of a year ago stayed" if now.get("logo_retention") else "",
        )
    )  # fmt: skip
    found.append(_risk_headline(evidence, arr))
    return found


def _growth_note(now: Row) -> str:
    if now.get("arr_growth") is None:
        return ""
    bench = now.get("arr_growth_benchmark_low")
    return f"{share(now['arr_growth'])} in 12 months" + (f"; median of peers {share(bench, 0)}" if bench else "")


def _retention_note(column: str, now: Row) -> str:
    if now.get(column) is None:
        return "not known: no accounts twelve months ago"
    if column == "nrr" and now.get("nrr_benchmark_low") is not None:
        low, high = now["nrr_benchmark_low"], now["nrr_benchmark_high"]
        return f"median of peers {share(low, 0)}–{share(high, 0)}"
    return f"of {money(now['start_arr'])} ARR, {money(now['retained_arr'])} kept"


def _risk_headline(evidence: Evidence, arr: float) -> Headline:
    sql = "SELECT count(*) AS accounts, coalesce(sum(arr), 0) AS arr FROM segments WHERE as_of = ? AND segment = ?"
    now = evidence.rows(sql, evidence.as_of, AT_RISK)[0]
    before = evidence.rows(sql, evidence.previous, AT_RISK)[0] if evidence.previous else None
    difference = _minus(now["arr"], before["arr"]) if before else None
    return Headline(
        "ARR at risk", money(now["arr"]), exact(now["arr"]), change(difference) if before else "",
        None if not before or not round(difference or 0) else (difference or 0) < 0,
        f"{now['accounts']} accounts, {share(now['arr'] / arr) if arr else '–'} of ARR",
    )  # fmt: skip


def _minus(value: float | None, old: float | None) -> float | None:
    return None if value is None or old is None else value - old


def _is_up(value: float | None, old: float | None) -> bool | None:
    difference = _minus(value, old)
    return None if not difference else difference > 0


def _tenths(ratio: float | None) -> float | None:
    """As precise as it is shown."""
    return None if ratio is None else round(ratio * 1000)


def _mix(evidence: Evidence) -> tuple[MixRow, ...]:
    if not evidence.has("segment_mix"):
        return ()
    sql = "SELECT * FROM segment_mix WHERE as_of = ?"
    now = {row["segment"]: row for row in evidence.rows(sql, evidence.as_of)}
    old = {row["segment"]: row for row in evidence.rows(sql, evidence.previous)} if evidence.previous else {}
    return tuple(
        MixRow(
            name, palette.SEGMENTS[name], row["accounts"],
            count_change(_minus(row["accounts"], old.get(name, {}).get("accounts"))) if old else "",
            row["arr"], row["arr_share"],
            change(_minus(row["arr"], old.get(name, {}).get("arr"))) if old else "",
            row["typical_share"],
        )
        for name in SEGMENTS
        if (row := now.get(name))
    )  # fmt: skip


def _changes(evidence: Evidence) -> list[Change]:
    """Who moved between the two snapshots, in how much ARR; new and lost accounts; decided by the tables of both."""
    if evidence.previous is None:
        return []
    both = evidence.rows(
        "SELECT n.account_id, n.arr, o.arr AS old_arr, n.segment, o.segment AS old_segment, "
        "n.coverage_tier AS tier, o.coverage_tier AS old_tier, "
        "coalesce(n.account_id, o.account_id) AS id FROM "
        "(SELECT * FROM segments WHERE as_of = ?) n FULL JOIN (SELECT * FROM segments WHERE as_of = ?) o "
        "ON n.account_id = o.account_id",
        evidence.as_of,
        evidence.previous,
    )
    new = [row for row in both if row["old_arr"] is None]
    lost = [row for row in both if row["arr"] is None]
    stayed = [row for row in both if row["arr"] is not None and row["old_arr"] is not None]
    grown = sum(max(row["arr"] - row["old_arr"], 0) for row in stayed)
    shrunk = sum(max(row["old_arr"] - row["arr"], 0) for row in stayed)
    told = [
        Change(
            f"ARR: {money(sum(r['arr'] for r in new))} from {_count(new)} that came, +{money(grown)} and "
            f"{change(-shrunk)} from {_count(stayed)} that stayed, "
            f"{change(-sum(r['old_arr'] for r in lost))} from {_count(lost)} that left.",
            "movement",
        )
    ]
    into = [row for row in stayed if row["segment"] == AT_RISK != row["old_segment"]]
    out = [row for row in stayed if row["old_segment"] == AT_RISK != row["segment"]]
    told.append(
        Change(
            f"Risk: {_count(into)} with {money(sum(r['arr'] for r in into))} ARR moved into At-Risk, "
            f"{_count(out)} with {money(sum(r['arr'] for r in out))} out of it.",
            "movement",
        )
    )
    tiers = [row for row in stayed if row["tier"] != row["old_tier"]]
    segments = [row for row in stayed if row["segment"] != row["old_segment"]]
    told.append(
        Change(
            f"Moves: {_count(segments)} changed segment, {_count(tiers)} changed coverage tier "
            f"({money(sum(r['arr'] for r in tiers))} ARR).",
            "movement",
        )
    )
    return told


def _count(rows: list[Row]) -> str:
    return f"{len(rows):,} account" + ("" if len(rows) == 1 else "s")


def _charts(evidence: Evidence) -> dict[str, str]:
    found: dict[str, str] = {}
    months = evidence.policy.report.history_months
    if evidence.has("account_revenue"):
        rows = evidence.rows(
            "SELECT as_of AS day, sum(arr) AS value FROM account_revenue WHERE is_live AND as_of <= ? "
            "AND as_of > ? - to_months(?) GROUP BY as_of ORDER BY as_of",
            evidence.as_of, evidence.as_of, months,
        )  # fmt: skip
        if len(rows) > 1:
            data = [{"day": f"{r['day']}T12:00", "value": r["value"], "name": "ARR"} for r in rows]
            said = f"From {exact(rows[0]['value'])} on {day(rows[0]['day'])} to {exact(rows[-1]['value'])}."
            found["arr"] = charts.lines(
                data, title="ARR over time", description=said, colours={"ARR": "c1"}, form="~s", height=180
            )
    return found
