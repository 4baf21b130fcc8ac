"""The tier KPI page: each KPI with its target and benchmark, today and over time.

Here: the page's view model. Not here: any KPI's formula (`kpis`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import NONE, counted, day, money, number, share
from segmentation_assets.report import charts
from segmentation_assets.report.books import ClosedQuarter, closed_quarters
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import AccountSets, Count

_MARKS = {"met": "✓ met", "missed": "✗ missed", "no_target": ""}
COMPANY = "Company"
UNASSIGNED = "unassigned"


@dataclass(frozen=True)
class Cell:
    """One KPI of one tier: as shown, exact, its target, and whether it was met."""

    text: str
    exact: str = ""
    target: str = ""
    status: str = ""
    note: str = ""
    accounts: Count | None = None


@dataclass(frozen=True)
class KpiRow:
    """One KPI over the tiers and the company, with its benchmark."""

    name: str
    meaning: str
    cells: tuple[Cell, ...]
    benchmark: str = ""


@dataclass(frozen=True)
class Scorecard:
    """The company over several periods and its segments over the targets' period: each KPI, judged."""

    columns: tuple[tuple[str, str], ...]
    period: str
    rows: tuple[KpiRow, ...]


@dataclass(frozen=True)
class TiersPage:
    """Everything on the page, for one period."""

    columns: tuple[tuple[str, str], ...]
    period: str
    groups: tuple[tuple[str, tuple[KpiRow, ...]], ...]
    charts: Mapping[str, str] = field(default_factory=dict)
    history: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lead: str = ""
    scorecard: Scorecard | None = None
    closed: tuple[ClosedQuarter, ...] = ()


def tiers_page(evidence: Evidence) -> TiersPage:
    """Make the page, for the period of the targets (policy `targets.window_months`)."""
    gaps = evidence.gaps("tier_kpis", "company_kpis")
    months = evidence.policy.targets.window_months
    where = f"window_months = {int(months)}"
    tiers = {row["coverage_tier"]: row for row in evidence.of_day("tier_kpis", where=where)}
    company = evidence.first_of_day("company_kpis", where=where)
    shown = [(tier, tiers[tier]) for tier in TIERS if tier in tiers]
    if company:
        shown.append((COMPANY, company))
    if not shown:
        return TiersPage(
            (), "", (), gaps=gaps or ("tier_kpis has no rows for this day: there are no live accounts.",)
        )
    rows = [row for _, row in shown]
    start = rows[0]["starts_on"]
    notes = [
        f"{tier}: only {counted(row['start_accounts'], 'account')} at the start, too few to judge its ratios "
        "against the target."
        for tier, row in shown
        if row["nrr_low_n"] and row["start_accounts"]
    ]
    notes += [f"{tier}: no accounts {months} months ago, so retention is not known." for tier, row in shown
              if not row["start_accounts"]]  # fmt: skip
    of_no_tier = tiers.get(UNASSIGNED)
    if of_no_tier and of_no_tier["csm_hours"]:
        notes.append(
            f"CSM hours: {number(of_no_tier['csm_hours'], 1)} of the company's went to accounts that no tier counts, "
            "because they came and left within the period."
        )
    drawn, history = _over_time(evidence, months)
    return TiersPage(
        columns=tuple((tier, palette.TIERS.get(tier, "c6")) for tier, _ in shown),
        period=f"{months} months from {day(start)} to {day(evidence.as_of)}, by the tier at the start",
        groups=_groups(rows, evidence.sets, _now(evidence, shown), _at_the_start(evidence, shown, months)),
        charts=drawn,
        history=history,
        gaps=gaps,
        notes=tuple(notes),
        lead=_lead(shown),
        scorecard=evidence.attempt("the scorecard", lambda: scorecard(evidence, months), None),
        closed=closed_quarters(evidence, months),
    )


def _lead(shown: list[tuple[str, Row]]) -> str:
    """NRR of the company against others, and which tiers meet their targets of NRR and GRR."""
    sentences = []
    company = next((row for name, row in shown if name == COMPANY), None)
    if company and company["nrr"] is not None:
        low, high = company["nrr_benchmark_low"], company["nrr_benchmark_high"]
        beside = f" (the median of other companies is {share(low, 0)}–{share(high, 0)})" if low is not None else ""
        sentences.append(
            f"The company keeps {share(company['grr'])} of its ARR and has {share(company['nrr'])} NRR{beside}."
        )
    for kpi in ("nrr", "grr"):
        judged = [(n, row) for n, row in shown if row[f"{kpi}_target"] is not None and not row[f"{kpi}_low_n"]]
        parts = []
        for status, word in (("met", "met by"), ("missed", "missed by")):
            names = [f"{n} ({share(row[kpi])})" for n, row in judged if row[f"{kpi}_status"] == status]
            if names:
                parts.append(f"{word} {', '.join(names)}")
        if parts:
            sentences.append(f"The {kpi.upper()} target is {'; '.join(parts)}.")
    return " ".join(sentences)


def scorecard(evidence: Evidence, months: int) -> Scorecard | None:
    """`kpi_scorecard` for the company, over each period, and for its segments, over the period of the targets."""
    if not evidence.has("kpi_scorecard"):
        return None
    rows = evidence.of_day("kpi_scorecard")
    periods = sorted({row["window_months"] for row in rows}, key=lambda each: (each != months, -each))
    members = [("company", "company", each, f"{COMPANY}, {counted(each, 'month')}") for each in periods]
    members += [("segment", name, months, name) for name in SEGMENTS]
    cells = {(r["grouping"], r["member"], r["window_months"], r["kpi"]): r for r in rows}
    shown = [m for m in members if any(key[:3] == m[:3] for key in cells)]
    start = evidence.first_of_day("segment_kpis", where=f"window_months = {int(months)}")
    since = f" ({day(start['starts_on'])} to {day(evidence.as_of)})" if start else ""
    return Scorecard(
        columns=tuple((title, palette.SEGMENTS.get(member, "")) for _, member, _, title in shown),
        period=f"Segments over {months} months{since}, by the segment at the start. n: the accounts at the start.",
        rows=(
            *_populations(evidence, [m[:3] for m in shown]),
            *(
                KpiRow(name, meaning, tuple(_judged(kpi, cells.get((*m[:3], kpi))) for m in shown))
                for kpi, (name, meaning) in SCORED.items()
            ),
        ),
    )


def _populations(evidence: Evidence, members: Sequence[tuple[str, str, int]]) -> tuple[KpiRow, ...]:
    """n of each column, each with its accounts: those at the start, and those that pay now."""
    result = []
    if evidence.has("account_periods"):
        periods = evidence.of_day("account_periods", "account_id", "start_arr > 0")
        of = [
            [
                row["account_id"]
                for row in periods
                if row["window_months"] == months and (grouping == "company" or row["start_segment"] == member)
            ]
            for grouping, member, months in members
        ]
        result.append(_accounts_row(evidence, "n at the start", "Accounts that paid at the start.", members, of))
    if evidence.has("segments"):
        live = evidence.of_day("segments", "account_id", "arr > 0")
        of = [
            [row["account_id"] for row in live if grouping == "company" or row["segment"] == member]
            for grouping, member, _ in members
        ]
        result.append(_accounts_row(evidence, "n now", "Accounts that pay now.", members, of))
    return tuple(result)


def _accounts_row(
    evidence: Evidence, name: str, meaning: str, members: Sequence[tuple[str, str, int]], accounts: list[list[str]]
) -> KpiRow:
    counts = [
        evidence.sets.count(
            ids, f"{name}: {COMPANY if grouping == 'company' else member}, {counted(months, 'month')}"
        )
        for (grouping, member, months), ids in zip(members, accounts, strict=True)
    ]
    return KpiRow(name, meaning, tuple(Cell(number(count.number), accounts=count) for count in counts))


def _judged(kpi: str, row: Row | None) -> Cell:
    """A KPI with its target, where there is one, and where it stands among other companies."""
    if row is None:
        return Cell(NONE, note="for the company only")
    form = _FORMS.get(kpi, share)
    low, high = row["target_low"], row["target_high"]
    aim = "" if low is None and high is None else f"target {form(low)} or more" if high is None else (
        f"target {form(high)} or less" if low is None else f"target {form(low)} to {form(high)}"
    )  # fmt: skip
    notes = (
        [f"{row['benchmark_position']} other companies"] if row["benchmark_position"] in ("above", "below") else []
    )
    notes += ["as other companies"] if row["benchmark_position"] == "within" else []
    if row["is_low_n"] and row["value"] is not None:
        notes = ["few accounts: not judged"]
    return Cell(form(row["value"]), _exactly(row["value"]), aim, _MARKS.get(row["status"], ""), "; ".join(notes))


def _now(evidence: Evidence, shown: list[tuple[str, Row]]) -> list[list[str]] | None:
    """The accounts of `accounts` by column: those with ARR, in their tier."""
    if not evidence.has("segments"):
        return None
    live = evidence.of_day("segments", "account_id", "arr > 0")
    return [
        [row["account_id"] for row in live if tier in (COMPANY, row["coverage_tier"])] for tier, _ in shown
    ]  # fmt: skip


def _at_the_start(evidence: Evidence, shown: list[tuple[str, Row]], months: int) -> list[list[str]] | None:
    """The accounts of `start_accounts` by column: those with ARR at the start, in their tier then."""
    if not evidence.has("account_periods"):
        return None
    rows = evidence.of_day("account_periods", "account_id", f"window_months = {int(months)} AND start_arr > 0")
    return [[row["account_id"] for row in rows if tier in (COMPANY, row["start_tier"])] for tier, _ in shown]


def _counted(
    sets: AccountSets, name: str, meaning: str, rows: list[Row], column: str, accounts: list[list[str]] | None
) -> KpiRow:
    """A row of numbers that count accounts, each with the accounts."""
    if accounts is None:
        return _row(name, meaning, rows, column, number)
    return KpiRow(
        name,
        meaning,
        tuple(
            Cell(number(row[column]), accounts=sets.count(ids, name)) for row, ids in zip(rows, accounts, strict=True)
        ),
    )


def _groups(
    rows: list[Row], sets: AccountSets, now: list[list[str]] | None, start: list[list[str]] | None
) -> tuple[tuple[str, tuple[KpiRow, ...]], ...]:
    return (
        ("Size", (
            _counted(sets, "Accounts now", "Live accounts.", rows, "accounts", now),
            _row("ARR now", "Annual recurring revenue.", rows, "arr", money),
            _row("ARR share", "Share of the company's ARR.", rows, "arr_share", share),
            _counted(sets, "Accounts at the start", "The cohort: accounts that paid at the start.", rows,
                     "start_accounts", start),
        )),
        ("Retention and growth", (
            _aimed("NRR", "ARR of the cohort now ÷ at the start.", rows, "nrr"),
            _aimed("GRR", "As NRR, each account at most its ARR at the start.", rows, "grr"),
            _row("GRR of renewals", "GRR of the accounts whose renewal fell in the period: they could leave.", rows,
                 "renewal_grr", share),
            _row("Logo retention", "Share of the cohort's accounts that still pay.", rows, "logo_retention", share),
            _row("Expansion rate", "Share of the cohort's accounts that grew by seats, plan or products.", rows,
                 "expansion_rate", share),
            _benched("ARR growth", "End ÷ start - 1, with new accounts and those that changed tier.", rows,
                     "arr_growth"),
            _benched("Expansion share of new ARR", "Expansion ÷ (new + expansion).", rows, "expansion_share"),
            _row("Time to first expansion", "Kaplan–Meier median.", rows, "time_to_first_expansion_months", _months),
            _row("Quick ratio", "Gained ARR ÷ lost ARR.", rows, "quick_ratio", _ratio),
        )),
        ("Health and care", (
            _row("Good health", "Share of accounts with good health.", rows, "healthy_share", share),
            _row("Poor health", "Share of accounts with poor health.", rows, "risk_share", share),
            _row("Cost to serve ÷ ARR", "Support, CSM and custom work.", rows, "cost_share_of_arr", share),
            _row("Gross margin", "Share of ARR.", rows, "gross_margin_share", share),
            _row("Self-service", "Share of all requests; lower tiers should have more.", rows, "self_service_ratio",
                 share),
            _row("CSM hours", "Hours logged for accounts in the period.", rows, "csm_hours", number),
            _row("Utilisation", SCORED["utilisation"][1], rows, "utilisation", share),
            _row("Expansion pipeline", "ARR of open expansion opportunities.", rows, "expansion_pipeline", money),
        )),
    )  # fmt: skip


def _row(name: str, meaning: str, rows: list[Row], column: str, form: Callable[[Any], str]) -> KpiRow:
    return KpiRow(name, meaning, tuple(Cell(form(row[column]), _exactly(row[column])) for row in rows))


def _exactly(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")


def _aimed(name: str, meaning: str, rows: list[Row], column: str) -> KpiRow:
    cells = []
    for row in rows:
        low, high = row[f"{column}_target"], row.get(f"{column}_target_high")
        aim = "" if low is None else f"target {share(low, 0)}" + (f"–{share(high, 0)}" if high else " or more")
        is_few = bool(row[f"{column}_low_n"]) and row[column] is not None
        status = "" if is_few else _MARKS.get(row[f"{column}_status"], "")
        few = f"only {counted(row['start_accounts'], 'account')}: not judged" if is_few else ""
        cells.append(Cell(share(row[column]), _exactly(row[column]), aim, status, few))
    bench = _bench(rows, "nrr") if column == "nrr" else ""
    return KpiRow(name, meaning, tuple(cells), bench)


def _benched(name: str, meaning: str, rows: list[Row], column: str) -> KpiRow:
    return KpiRow(
        name, meaning, tuple(Cell(share(row[column]), _exactly(row[column])) for row in rows), _bench(rows, column)
    )


def _bench(rows: list[Row], column: str) -> str:
    low = next((r[f"{column}_benchmark_low"] for r in rows if r[f"{column}_benchmark_low"] is not None), None)
    high = next((r[f"{column}_benchmark_high"] for r in rows if r[f"{column}_benchmark_high"] is not None), None)
    if low is None:
        return NONE
    return share(low, 0) if high in (None, low) else f"{share(low, 0)}–{share(high, 0)}"


def _ratio(value: float | None) -> str:
    return number(value, 1)


def _months(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f} months"


SCORED: Mapping[str, tuple[str, str]] = {
    "nrr": ("NRR", "ARR of the accounts at the start, now ÷ then."),
    "grr": ("GRR", "As NRR, each account at most its ARR at the start."),
    "renewal_grr": ("GRR of renewals", "GRR of the accounts whose renewal fell in the period."),
    "logo_retention": ("Logo retention", "Share of the accounts at the start that still pay."),
    "logo_churn": ("Logo churn", "Share of the accounts at the start that left."),
    "expansion_rate": ("Expansion rate", "Share of the accounts at the start that grew by seats, plan or products."),
    "expansion_share": ("Expansion share of new ARR", "Expansion ÷ (new + expansion)."),
    "quick_ratio": ("Quick ratio", "Gained ARR ÷ lost ARR."),
    "arr_growth": ("ARR growth", "End ÷ start - 1, with new accounts and those that moved."),
    "time_to_first_expansion_months": ("Time to first expansion", "Kaplan–Meier median."),
    "healthy_share": ("Good health", "Share of live accounts with good health."),
    "risk_share": ("Poor health", "Share of live accounts with poor health."),
    "cost_share_of_arr": ("Cost to serve ÷ ARR", "Support, CSM and custom work for live accounts, a year."),
    "gross_margin_share": ("Gross margin", "Share of ARR."),
    "self_service_ratio": ("Self-service", "Share of all requests of live accounts."),
    "utilisation": (
        "Utilisation",
        "Hours logged ÷ the hours that its accounts may take of their CSMs. Above 100%: it takes hours of others.",
    ),
    "cac_payback_months": ("CAC payback", "Spend on new business ÷ (new ARR a month × gross margin)."),
    "magic_number": (
        "Magic number",
        "Growth of three months' revenue × 4 ÷ sales and marketing spend of the three months before.",
    ),
}
"""Each KPI of `kpi_scorecard`: its name, and what it is of."""

_FORMS: Mapping[str, Callable[[Any], str]] = {
    "quick_ratio": _ratio,
    "magic_number": _ratio,
    "time_to_first_expansion_months": _months,
    "cac_payback_months": _months,
}


def _over_time(
    evidence: Evidence, months: int
) -> tuple[dict[str, str], tuple[tuple[str, str, tuple[str, ...]], ...]]:
    """NRR and GRR of the tiers on every published day, as charts and as tables."""
    if not evidence.has("tier_kpis"):
        return {}, ()
    rows = evidence.rows(
        "SELECT as_of, coverage_tier, nrr, grr, arr FROM tier_kpis WHERE window_months = ? AND as_of <= ? "
        "AND as_of > ? - to_months(?) ORDER BY as_of, coverage_tier",
        months, evidence.as_of, evidence.as_of, evidence.policy.report.history_months,
    )  # fmt: skip
    days = sorted({row["as_of"] for row in rows})
    colours = {tier: palette.TIERS[tier] for tier in TIERS}
    targets = {"nrr": evidence.policy.targets.nrr, "grr": evidence.policy.targets.grr}
    drawn: dict[str, str] = {}
    history: list[tuple[str, str, tuple[str, ...]]] = []
    for column in ("nrr", "grr"):
        data = [
            {"day": f"{row['as_of']}T12:00", "value": row[column], "name": row["coverage_tier"]}
            for row in rows
            if row["coverage_tier"] in colours and row[column] is not None
        ]
        if len(days) > 1 and data:
            levels = [{"value": band.low, "text": f"{tier} target"} for tier, band in targets[column].items()]
            drawn[column] = charts.lines(
                data,
                title=f"{column.upper()} by tier over time",
                description="; ".join(
                    f"{d['name']} {share(d['value'])}" for d in data if d["day"].startswith(str(days[-1]))
                ),
                colours=colours, form="%", rules=_merged(levels),
            )  # fmt: skip
        for tier in TIERS:
            by_day = {row["as_of"]: row[column] for row in rows if row["coverage_tier"] == tier}
            history.append((column.upper(), tier, tuple(share(by_day.get(each)) for each in days)))
    return drawn, (("", "", tuple(day(each) for each in days)), *history)


def _merged(levels: list[dict[str, object]]) -> list[dict[str, object]]:
    """Equal targets share one line."""
    texts: dict[object, list[str]] = {}
    for level in levels:
        texts.setdefault(level["value"], []).append(str(level["text"]).removesuffix(" target"))
    return [{"value": value, "text": f"target {', '.join(names)}"} for value, names in texts.items()]
