"""What a run left behind, on one screen: segments by tier, what moved, where to look.

Here: counting and showing published segments and moves. Not here: any figure that a table of the chain gives.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.policy.segments import AT_RISK
from segmentation_assets.reading.access import NotPublished, find_table, open_tables
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.explanations.changes import why_recorded
from segmentation_assets.reading.explanations.gathering import day_before
from segmentation_assets.reading.figures import NAMES, counted, exact, in_currency, money, number, share, words
from segmentation_assets.reading.plans import company_people, in_hundredths, listed, tier_action
from segmentation_assets.segments.causes import RELABELLED, RELABELS
from segmentation_assets.settings import find_home
from segmentation_assets.warehouse.store import Store

_MOST_MOVES = 5
_BESIDE = ("segment_moves", "tier_kpis", "company_kpis", "capacity_plan")
_MARKS = {"met": " ✓", "missed": " ✗"}


def print_summary(console: Console, home: Path, as_of: date, currency: str) -> None:
    """Segments × tiers, and the moves of the week that ends with `as_of`; amounts in `currency` (ISO 4217).

    Raises NotPublished without segments.
    """
    tables: dict[str, date | str | None] = {"segments": as_of}
    tables |= {name: as_of for name in _BESIDE if _has(home, name, as_of)}
    before = day_before(as_of, home)
    with open_tables(tables, home) as connection, in_currency(currency):
        _print_matrix(console, connection, as_of)
        if "segment_moves" in tables:
            _print_moves(console, connection)
            _print_relabelled(console, connection)
        if before:
            _print_since(console, home, before, as_of)
        if "tier_kpis" in tables:
            _print_kpis(console, connection, "company_kpis" in tables)
        if "capacity_plan" in tables:
            _print_capacity(console, connection)
        _print_refused(console, home)
        _print_where(console, home, connection)


def _has(home: Path, table: str, as_of: date | None) -> bool:
    try:
        return bool(find_table(table, home).of(as_of))
    except NotPublished:
        return False


def _print_matrix(console: Console, connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    rows = connection.execute(
        "SELECT segment, coverage_tier, count(*), sum(arr) FROM segments GROUP BY ALL"
    ).fetchall()
    cells = {(segment, tier): (count, arr) for segment, tier, count, arr in rows}
    tiers = _by_size({tier: [r for r in rows if r[1] == tier] for _, tier, *_ in rows})
    segments = _by_size({segment: [r for r in rows if r[0] == segment] for segment, *_ in rows})
    body = [
        [name, *(_cell(cells.get((name, tier))) for tier in tiers), _cell(_sum([r for r in rows if r[0] == name]))]
        for name in segments
    ]
    body.append(["all", *(_cell(_sum([r for r in rows if r[1] == tier])) for tier in tiers), _cell(_sum(rows))])
    title = f"{as_of}: accounts · ARR"
    print_table(console, ["segment \\ tier", *tiers, "all"], body, title=title)


def _by_size(rows: dict[str, list[Any]]) -> list[str]:
    """Names, the most ARR per account first."""
    return sorted(rows, key=lambda name: -sum(r[3] for r in rows[name]) / sum(r[2] for r in rows[name]))


def _sum(rows: Sequence[Any]) -> tuple[int, float]:
    return sum(r[2] for r in rows), sum(r[3] for r in rows)


def _cell(value: tuple[int, float] | None) -> str:
    return f"{value[0]:,} · {money(value[1])}" if value else ""


def _print_moves(console: Console, connection: duckdb.DuckDBPyConnection) -> None:
    result = connection.execute(
        f"SELECT * FROM segment_moves WHERE cause_kind NOT IN {RELABELS} "
        "ORDER BY direction = 'into_risk' DESC, arr_after DESC, account_id, kind"
    )
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in result.fetchall()]
    if not rows:
        console.print("No account moved since the last Monday.")
        return
    counts = Counter(row["direction"] for row in rows)
    ways = ", ".join(f"{count} {NAMES.get(name, name)}" for name, count in sorted(counts.items()))
    console.print(f"Moves since the last Monday: {ways}")
    for row in rows[:_MOST_MOVES]:
        who = "{account_id} {kind} {moved_from} → {moved_to}".format(**row)
        console.print(f"  {escape(who)}: {escape(words(why_recorded(row)))}", highlight=False)


def _print_relabelled(console: Console, connection: duckdb.DuckDBPyConnection) -> None:
    """How many accounts are elsewhere because policy, data or code changed, not because of themselves."""
    rows = connection.execute(
        "SELECT effective_on, cause_kind, kind, count(*) FROM segment_moves "
        f"WHERE cause_kind IN {RELABELS} GROUP BY ALL ORDER BY 1, 2, 3"
    ).fetchall()
    by_run: dict[tuple[date, str], list[str]] = {}
    for on, cause, kind, accounts in rows:
        by_run.setdefault((on, cause), []).append(f"the {kind} of {counted(accounts, 'account')}")
    for (on, cause), changed in by_run.items():
        console.print(f"On {on} {RELABELLED[cause]}. This alone changed {listed(changed)}.", highlight=False)


def _print_since(console: Console, home: Path, before: date, as_of: date) -> None:
    """What changed since the last day that was run before: there may be moves that the last week had not."""
    with open_tables({"segments": (before, as_of)}, home) as connection:
        rows = connection.execute(
            "SELECT account_id, b.segment, n.segment, n.arr, b.coverage_tier, n.coverage_tier "
            "FROM segments b JOIN segments n USING (account_id) WHERE b.as_of = ? AND n.as_of = ? "
            "ORDER BY (n.segment = ?) DESC, n.arr DESC, account_id",
            [before, as_of, AT_RISK],
        ).fetchall()
    moved = [row for row in rows if row[1] != row[2]]
    tiers = sum(row[4] != row[5] for row in rows)
    console.print(f"Since {before}: {counted(len(moved), 'account')} changed segment, {tiers} changed tier")
    for account, was, now, arr, *_ in moved[:_MOST_MOVES]:
        console.print(f"  {account} segment {was} → {now}, ARR {exact(arr)}", highlight=False)


_FIGURES = (
    "start_accounts, start_arr, nrr, nrr_target, nrr_status, grr, grr_target, grr_status, logo_retention, "
    "expansion_rate, cost_share_of_arr, nrr_low_n"
)


def _print_kpis(console: Console, connection: duckdb.DuckDBPyConnection, has_company: bool) -> None:
    months, start = connection.execute("SELECT max(window_months), min(starts_on) FROM tier_kpis").fetchall()[0]
    rows = connection.execute(
        f"SELECT coverage_tier, {_FIGURES} FROM tier_kpis WHERE window_months = ? "
        "AND start_accounts > 0 ORDER BY start_arr / start_accounts DESC",
        [months],
    ).fetchall()
    if has_company:
        rows += connection.execute(
            f"SELECT 'all', {_FIGURES} FROM company_kpis WHERE window_months = ? AND start_accounts > 0",
            [months],
        ).fetchall()
    if not rows:
        console.print(f"\nNo tier had accounts {months} months ago: retention is not known yet.")
        return
    body = [
        [
            tier + (" (few accounts)" if few else ""), f"{accounts:,} · {money(arr)}",
            share(nrr) + _aim(nrr_target, nrr_status, few), share(grr) + _aim(grr_target, grr_status, few),
            share(logos), share(expanded), share(cost),
        ]
        for tier, accounts, arr, nrr, nrr_target, nrr_status, grr, grr_target, grr_status, logos, expanded, cost, few
        in rows
    ]  # fmt: skip
    header = [
        "tier at the start",
        "accounts · ARR",
        "NRR (target)",
        "GRR (target)",
        "logos kept",
        "expanded",
        "cost/ARR now",
    ]
    title = f"{months} months from {start}, by the tier at the start: accounts · ARR then"
    print_table(console, header, body, title=title)
    if has_company:
        _print_position(console, connection, months)


def _print_position(console: Console, connection: duckdb.DuckDBPyConnection, months: int) -> None:
    """Where the company's NRR stands among others."""
    rows = connection.execute(
        "SELECT nrr, nrr_benchmark_low, nrr_benchmark_high, nrr_position FROM company_kpis WHERE window_months = ? "
        "AND nrr_position IS NOT NULL",
        [months],
    ).fetchall()
    for nrr, low, high, position in rows:
        text = f"  NRR of all, {share(nrr)}: {position.replace('_', ' ')}"
        console.print(f"{text} (the median of companies is {share(low, 0)} to {share(high, 0)})", highlight=False)


def _aim(target: float | None, status: str, is_few: bool) -> str:
    """The target, and whether it was met; of few accounts that is not judged."""
    return "" if target is None else f" ({share(target, 0)}{'' if is_few else _MARKS.get(status, '')})"


def _print_capacity(console: Console, connection: duckdb.DuckDBPyConnection) -> None:
    result = connection.execute("SELECT * FROM capacity_plan ORDER BY arr / greatest(accounts, 1) DESC")
    names = [column[0] for column in result.description or ()]
    plan = in_hundredths([dict(zip(names, row, strict=True)) for row in result.fetchall()])
    figures = ("fte_by_ratio", "fte_by_hours", "required_fte", "available_fte", "gap_fte")
    body = [
        [row["coverage_tier"], f"{row['accounts']:,}", *(number(row[name], 2) for name in figures),
         share(row["planned_utilisation"])]
        for row in plan
    ]  # fmt: skip
    header = ["tier", "accounts", "by ratio", "by hours", "needed", "available", "gap", "utilisation"]
    title = "Customer success capacity: FTE (gap = available - needed)"
    print_table(console, header, body, title=title)
    console.print(f"  {company_people(plan)}", highlight=False)
    for row in plan:
        console.print(f"  {row['coverage_tier']}: {escape(tier_action(row))}", highlight=False)


def _print_refused(console: Console, home: Path) -> None:
    """Rows that broke their contract when their extract landed last."""
    from segmentation_assets.extracts.contracts import EXTRACTS
    from segmentation_assets.extracts.standing import landed_counts

    store = Store(home)
    landed = {spec.name: landed_counts(store, spec) for spec in EXTRACTS if store.has(spec.name)}
    refused = {name: counts for name, counts in landed.items() if counts and counts.quarantined}
    if not refused:
        return
    rows, read = (sum(getattr(c, name) for c in refused.values()) for name in ("quarantined", "read"))
    listed = ", ".join(f"{name} {counts.quarantined:,}" for name, counts in refused.items())
    console.print(f"\nRefused: {counted(rows, 'row')} of {read:,} ({listed}); why: `segmentation show quarantine`",
                  highlight=False, soft_wrap=True)  # fmt: skip


def _print_where(console: Console, home: Path, connection: duckdb.DuckDBPyConnection) -> None:
    largest = connection.execute("SELECT account_id FROM segments ORDER BY arr DESC, account_id LIMIT 1").fetchone()
    option = "" if home == find_home() else f"--home {shlex.quote(str(home))} "
    console.print("\nWhere to look", style="bold")
    if (home / "reports" / "latest.html").exists():
        console.print(f"  report: {home / 'reports' / 'latest.html'}", highlight=False, soft_wrap=True)
    console.print(f"  files: {home / 'published'}/<table>/as_of=<day>/part-0.parquet", highlight=False)
    for command, what in (
        (f"segmentation {option}ui", "every table, run and check, in a browser"),
        (
            f"segmentation {option}explain {shlex.quote(largest[0]) if largest else 'ACCOUNT'}",
            "why it is where it is",
        ),
        (f"segmentation {option}show tier_kpis", "any table; --format csv for a spreadsheet"),
    ):
        console.print(f"  {escape(command)}   {what}", highlight=False, soft_wrap=True)
