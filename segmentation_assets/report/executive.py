"""The executive page: where the company stands, what changed, what to decide.

Here: the page's view model. Not here: the decisions (`decisions`) or the KPIs (`kpis`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation_assets.policy.segments import AT_RISK, SEGMENTS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import (
    change,
    count_change,
    counted,
    day,
    exact,
    money,
    number,
    points,
    share,
)
from segmentation_assets.report import charts
from segmentation_assets.report.decisions import Decision, decisions
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.prediction import last_quarter
from segmentation_assets.report.sets import Count
from segmentation_assets.segments.causes import POLICY, RELABELLED, RELABELS, RESTATED


@dataclass(frozen=True)
class Headline:
    """One headline figure: name, value, exact value, change since the last snapshot, and a note."""

    name: str
    value: str
    exact: str
    change: str = ""
    is_good: bool | None = None
    note: str = ""
    accounts: Count | None = None
    """The accounts that the headline is about."""


@dataclass(frozen=True)
class MixRow:
    """One segment in the mix: accounts and ARR."""

    segment: str
    colour: str
    accounts: Count
    accounts_change: str
    arr: float
    arr_share: float | None
    arr_change: str
    typical_share: float | None


@dataclass(frozen=True)
class Change:
    """One change since the last snapshot, in a sentence, and the accounts that it counts."""

    text: str
    accounts: tuple[Count, ...] = ()


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
    last_quarter: str = ""


def executive_page(evidence: Evidence) -> ExecutivePage:
    """Make the page."""
    mix = evidence.attempt("the segment mix", lambda: _mix(evidence), ())
    gaps = evidence.gaps("company_kpis", "segment_mix", "capacity_plan", "goal_gap", "account_revenue")
    no_history = "" if evidence.previous else (
        f"{day(evidence.as_of)} is the first day that was run, so there is nothing to compare with yet. "
        "The next report shows changes."
    )  # fmt: skip
    return ExecutivePage(
        headlines=tuple(evidence.attempt("the headlines", lambda: _headlines(evidence), [])),
        mix=mix,
        changes=tuple(evidence.attempt("what changed", lambda: _changes(evidence), [])),
        decisions=decisions(evidence),
        charts=evidence.attempt("the chart of ARR", lambda: _charts(evidence), {}),
        gaps=gaps,
        no_history=no_history,
        last_quarter=evidence.attempt("what the churn risk said", lambda: last_quarter(evidence), ""),
    )


def _kpis(evidence: Evidence, as_of: Any) -> Row:
    if as_of is None or not evidence.has("company_kpis"):
        return {}
    months = evidence.policy.targets.window_months
    rows = evidence.rows("SELECT * FROM company_kpis WHERE as_of = ? AND window_months = ?", as_of, months)
    return rows[0] if rows else {}


def _headlines(evidence: Evidence) -> list[Headline]:
    now, before = _kpis(evidence, evidence.as_of), _kpis(evidence, evidence.previous)
    live = evidence.rows("SELECT count(*) AS accounts, sum(arr) AS arr FROM segments WHERE as_of = ?", evidence.as_of)
    arr, accounts = live[0]["arr"] or 0.0, live[0]["accounts"]
    months = evidence.policy.targets.window_months
    headlines = [
        Headline(
            "ARR", money(arr), exact(arr), _change(arr, before.get("arr"), change),
            _is_up(arr, before.get("arr")), _growth_note(now, months),
        ),
    ]  # fmt: skip
    for name, column in (("NRR", "nrr"), ("GRR", "grr")):
        value, old = now.get(column), before.get(column)
        headlines.append(
            Headline(
                f"{name}, {months} months", share(value), "" if value is None else f"{value:.4f}",
                _change(value, old, points), _is_up(_tenths(value), _tenths(old)),
                _retention_note(evidence, column, now, months),
            )
        )  # fmt: skip
    headlines.append(
        Headline(
            "Live accounts", number(accounts), number(accounts),
            _change(accounts, before.get("accounts"), count_change), _is_up(accounts, before.get("accounts")),
            f"{share(now['logo_retention'])} of the accounts of {months} months ago stayed"
            if now.get("logo_retention")
            else "",
            evidence.sets.count(_ids(evidence), "Live accounts"),
        )
    )  # fmt: skip
    headlines.append(_risk_headline(evidence, arr))
    return headlines


def _ids(evidence: Evidence, segment: str | None = None) -> list[str]:
    """Live accounts, of one segment or of all."""
    rows = evidence.of_day("segments", "account_id", "true" if segment is None else f"segment = '{segment}'")
    return [row["account_id"] for row in rows]


def _growth_note(now: Row, months: int) -> str:
    if now.get("arr_growth") is None:
        return ""
    bench = now.get("arr_growth_benchmark_low")
    peers = f"; median of other companies {share(bench, 0)}" if bench else ""
    return f"{share(now['arr_growth'])} growth in {months} months{peers}"


def _retention_note(evidence: Evidence, column: str, now: Row, months: int) -> str:
    """The base of the ratio and the benchmark; if the ratio is not known, the reason."""
    if now.get(column) is None:
        if not evidence.has("company_kpis"):
            return f"not known: {evidence.missing['company_kpis']}"
        if not now:
            return f"not known: company_kpis has no period of {months} months"
        return f"not known: no account was live {months} months ago"
    few = f" (only {counted(now['start_accounts'], 'account')})" if now.get("nrr_low_n") else ""
    if column == "nrr" and now.get("nrr_benchmark_low") is not None:
        low, high = now["nrr_benchmark_low"], now["nrr_benchmark_high"]
        return (
            f"of {money(now['start_arr'])} starting ARR{few}; median of other companies "
            f"{share(low, 0)}–{share(high, 0)}"
        )
    return f"{money(now['retained_arr'])} kept of {money(now['start_arr'])} starting ARR{few}"


def _risk_headline(evidence: Evidence, arr: float) -> Headline:
    sql = "SELECT count(*) AS accounts, coalesce(sum(arr), 0) AS arr FROM segments WHERE as_of = ? AND segment = ?"
    now = evidence.rows(sql, evidence.as_of, AT_RISK)[0]
    before = evidence.rows(sql, evidence.previous, AT_RISK)[0] if evidence.previous else None
    difference = _minus(now["arr"], before["arr"]) if before else None
    return Headline(
        "ARR in the At-Risk segment", money(now["arr"]), exact(now["arr"]), change(difference) if before else "",
        None if not before or not round(difference or 0) else (difference or 0) < 0,
        f"{counted(now['accounts'], 'account')}, {share(now['arr'] / arr) if arr else '–'} of ARR",
        evidence.sets.count(_ids(evidence, AT_RISK), "In the At-Risk segment"),
    )  # fmt: skip


def _change(value: float | None, old: float | None, form: Callable[[float | None], str]) -> str:
    """The difference as text; empty if one of the two is not known."""
    difference = _minus(value, old)
    return "" if difference is None else form(difference)


def _minus(value: float | None, old: float | None) -> float | None:
    return None if value is None or old is None else value - old


def _is_up(value: float | None, old: float | None) -> bool | None:
    difference = _minus(value, old)
    return None if not difference else difference > 0


def _tenths(ratio: float | None) -> float | None:
    """Rounded as it is shown."""
    return None if ratio is None else round(ratio * 1000)


def _mix(evidence: Evidence) -> tuple[MixRow, ...]:
    if not evidence.has("segment_mix"):
        return ()
    sql = "SELECT * FROM segment_mix WHERE as_of = ?"
    now = {row["segment"]: row for row in evidence.rows(sql, evidence.as_of)}
    old = {row["segment"]: row for row in evidence.rows(sql, evidence.previous)} if evidence.previous else {}
    return tuple(
        MixRow(
            name, palette.SEGMENTS[name], evidence.sets.count(_ids(evidence, name), f"Segment {name}"),
            _change(row["accounts"], old.get(name, {}).get("accounts"), count_change),
            row["arr"], row["arr_share"],
            _change(row["arr"], old.get(name, {}).get("arr"), change),
            row["typical_share"],
        )
        for name in SEGMENTS
        if (row := now.get(name))
    )  # fmt: skip


def _changes(evidence: Evidence) -> list[Change]:
    """Changes between the two snapshots: ARR, new and lost accounts, moves."""
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
    relabels = _relabels(evidence)
    grown = sum(max(row["arr"] - row["old_arr"], 0) for row in stayed)
    shrunk = sum(max(row["old_arr"] - row["arr"], 0) for row in stayed)
    other_segment = [row for row in stayed if row["segment"] != row["old_segment"]]
    other_tier = [row for row in stayed if row["tier"] != row["old_tier"]]
    segments = [row for row in other_segment if _relabel(row, "segment") not in relabels]
    tiers = [row for row in other_tier if _relabel(row, "tier") not in relabels]
    into = [row for row in segments if row["segment"] == AT_RISK]
    out = [row for row in segments if row["old_segment"] == AT_RISK]
    return [
        Change(
            f"ARR: {change(_arr_of(new))} from {counted(len(new), 'new account')}, {change(grown)} growth and "
            f"{change(-shrunk)} decline in {counted(len(stayed), 'account')} that stayed, "
            f"{change(-sum(row['old_arr'] for row in lost))} from {counted(len(lost), 'lost account')}.",
            _counts(evidence, {"new accounts": new, "stayed": stayed, "lost accounts": lost}),
        ),
        Change(
            f"At-Risk segment: {counted(len(into), 'account')} with {money(_arr_of(into))} ARR moved in, "
            f"{counted(len(out), 'account')} with {money(_arr_of(out))} ARR moved out.",
            _counts(evidence, {"into At-Risk": into, "out of At-Risk": out}),
        ),
        Change(
            f"Moves: {counted(len(segments), 'account')} changed segment, {counted(len(tiers), 'account')} changed "
            f"coverage tier ({money(_arr_of(tiers))} ARR).",
            _counts(evidence, {"changed segment": segments, "changed tier": tiers}),
        ),
        *(
            _relabelled(
                evidence,
                cause,
                [
                    [row for row in rows if relabels.get(_relabel(row, kind)) == cause]
                    for kind, rows in (("segment", other_segment), ("tier", other_tier))
                ],
            )
            for cause in RELABELS
            if cause in relabels.values()
        ),
    ]


def _relabels(evidence: Evidence) -> dict[tuple[str, str, str, str], str]:
    """By account, kind, old and new value: whether a new policy or restated data changed it since the last snapshot.

    These accounts have another segment or tier for the same days, too. They did not move.
    """
    if not evidence.has("segment_moves"):
        return {}
    rows = evidence.of_day(
        "segment_moves", where=f"cause_kind IN {RELABELS} AND effective_on > '{evidence.previous}'"
    )
    return {(row["account_id"], row["kind"], row["moved_from"], row["moved_to"]): row["cause_kind"] for row in rows}


def _relabel(row: Row, kind: str) -> tuple[str, str, str, str]:
    return row["id"], kind, row[f"old_{kind}"], row[kind]


def _relabelled(evidence: Evidence, cause: str, groups: list[list[Row]]) -> Change:
    segments, tiers = groups
    return Change(
        f"No moves: {RELABELLED[cause]}. This alone gave {counted(len(segments), 'account')} another segment and "
        f"{counted(len(tiers), 'account')} another coverage tier.",
        _counts(evidence, {f"another segment by {_BY[cause]}": segments, f"another tier by {_BY[cause]}": tiers}),
    )


_BY = {POLICY: "policy", RESTATED: "restated data"}


def _counts(evidence: Evidence, groups: Mapping[str, list[Row]]) -> tuple[Count, ...]:
    """A count for each group with accounts; `title` says what they have in common."""
    since = f" since {day(evidence.previous)}"
    return tuple(
        evidence.sets.count((row["id"] for row in rows), title[:1].upper() + title[1:] + since)
        for title, rows in groups.items()
        if rows
    )


def _arr_of(rows: list[Row]) -> float:
    return sum(row["arr"] for row in rows)


def _charts(evidence: Evidence) -> dict[str, str]:
    drawn: dict[str, str] = {}
    months = evidence.policy.report.history_months
    if evidence.has("account_revenue"):
        rows = evidence.rows(
            "SELECT as_of AS day, sum(arr) AS value FROM account_revenue WHERE is_live AND as_of <= ? "
            "AND as_of > ? - to_months(?) GROUP BY as_of ORDER BY as_of",
            evidence.as_of, evidence.as_of, months,
        )  # fmt: skip
        if len(rows) > 1:
            data = [{"day": f"{r['day']}T12:00", "value": r["value"], "name": "ARR"} for r in rows]
            description = f"From {exact(rows[0]['value'])} on {day(rows[0]['day'])} to {exact(rows[-1]['value'])}."
            drawn["arr"] = charts.lines(
                data, title="ARR over time", description=description, colours={"ARR": "c1"}, form="~s", height=180
            )
    return drawn
