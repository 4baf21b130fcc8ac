"""The movement page: accounts between tiers, the ARR bridge, and each move with its cause.

Here: the page's view model and the list of moves. Not here: the causes of moves (`segments.moves`), or migration and
the ARR bridge themselves (`kpis`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading.explanations.changes import key_of, parts_by_move, why_moved, why_recorded
from segmentation_assets.reading.explanations.gathering import direction_of
from segmentation_assets.reading.figures import change, counted, day, exact, label, money, share
from segmentation_assets.report import charts
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.flows import flows_svg
from segmentation_assets.report.sets import Count

_NOT_LIVE, _UNASSIGNED = "not_live", "unassigned"
QUARTER_MONTHS = 3
_STEPS = (
    ("New", "new_arr", 1), ("Reactivated", "reactivated_arr", 1), ("Expansion", "expansion_arr", 1),
    ("Contraction", "contraction_arr", -1), ("Churn", "churned_arr", -1), ("FX", "fx_arr", 1),
)  # fmt: skip
_MIGRATION = (("Migrated in", "migrated_in_arr", 1), ("Migrated out", "migrated_out_arr", -1))

MOVES = ("account_id", "name", "kind", "from", "to", "direction", "on", "arr", "why")
"""Columns of the list of moves."""


@dataclass(frozen=True)
class FlowCell:
    """The accounts from one tier to one tier, and their ARR at the end."""

    accounts: int
    arr: float
    share: float | None
    stays: bool
    members: Count | None = None


@dataclass(frozen=True)
class MovementPage:
    """Everything on the page."""

    period: str = ""
    columns: tuple[str, ...] = ()
    matrix: tuple[tuple[str, int, Count | None, tuple[FlowCell, ...]], ...] = ()
    flows: str = ""
    summary: tuple[str, ...] = ()
    summed: tuple[Count, ...] = ()
    """The accounts that the summary counts."""
    bridge: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    bridge_columns: tuple[str, ...] = ()
    bridge_period: str = ""
    charts: Mapping[str, str] = field(default_factory=dict)
    moves: int = 0
    moves_since: str = ""
    gaps: tuple[str, ...] = ()


def movement_page(evidence: Evidence, moves: int) -> MovementPage:
    """Make the page. `moves` is the number of moves in the script's list."""
    cells = evidence.of_day("tier_migration")
    counts = {(row["from_tier"], row["to_tier"]): row for row in cells}
    rows, columns = _names(cells, "from_tier"), _names(cells, "to_tier")
    went = _went(evidence)
    bridge_columns, bridge = _bridge(evidence)
    year = evidence.first_of_day("company_kpis", where=f"window_months = {evidence.policy.targets.window_months}")
    return MovementPage(
        period=f"{day(cells[0]['starts_on'])} to {day(evidence.as_of)}" if cells else "",
        columns=tuple(label(name) for name in columns),
        matrix=tuple(_line(evidence, name, columns, counts, went) for name in rows),
        flows=_flows(counts, rows, columns),
        summary=tuple(_summary(evidence)),
        summed=_summed(evidence, went),
        bridge=bridge,
        bridge_columns=bridge_columns,
        bridge_period=f"{day(year['starts_on'])} to {day(evidence.as_of)}" if year else "",
        charts=_charts(evidence),
        moves=moves,
        moves_since=day(evidence.previous) if evidence.previous else "",
        gaps=evidence.gaps("tier_migration", "tier_migration_summary", "company_kpis", "tier_kpis", "segment_moves"),
    )


def _names(cells: list[Row], column: str) -> list[str]:
    """The tiers with accounts, in order; then `unassigned` and `not_live` if they have accounts."""
    with_accounts = {row[column] for row in cells if row["accounts"]}
    return [name for name in (*TIERS, _UNASSIGNED, _NOT_LIVE) if name in with_accounts]


def _went(evidence: Evidence) -> dict[tuple[str, str], list[str]]:
    """The accounts of the migration by (tier at the start, tier at the end); empty without account_periods."""
    if not evidence.has("account_periods"):
        return {}
    rows = evidence.of_day("account_periods", "account_id", f"window_months = {QUARTER_MONTHS}")
    went: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        went.setdefault((row["start_tier"] or _NOT_LIVE, row["end_tier"] or _NOT_LIVE), []).append(row["account_id"])
    return went


def _line(
    evidence: Evidence, name: str, columns: list[str], counts: Mapping[tuple[str, str], Row],
    went: Mapping[tuple[str, str], list[str]],
) -> tuple[str, int, Count | None, tuple[FlowCell, ...]]:  # fmt: skip
    ways = [counts.get((name, to), {}) for to in columns]

    def members(*places: str) -> Count | None:
        title = f"{_place(name, 'New')} to {' or '.join(_place(to, 'lost') for to in places)}"
        ids = [account for to in places for account in went.get((name, to), ())]
        return (
            evidence.sets.count(ids, title if len(places) == 1 else f"{_place(name, 'New')} at the start")
            if went
            else None
        )

    cells = tuple(
        FlowCell(row.get("accounts", 0), row.get("end_arr") or row.get("start_arr") or 0.0, row.get("share_of_from"),
                 name == to, members(to))
        for row, to in zip(ways, columns, strict=True)
    )  # fmt: skip
    return label(name), sum(cell.accounts for cell in cells), members(*columns), cells


def _place(name: str, otherwise: str) -> str:
    return otherwise if name == _NOT_LIVE else label(name)


def _summed(evidence: Evidence, went: Mapping[tuple[str, str], list[str]]) -> tuple[Count, ...]:
    """The accounts that moved up, down, and up from Long-Tail."""
    if not went or not evidence.has("tier_migration_summary"):
        return ()

    def moved(way: int, only: str | None = None) -> list[str]:
        return [
            account
            for (of, to), ids in went.items()
            if of in TIERS and to in TIERS and (TIERS.index(of) - TIERS.index(to)) * way > 0 and only in (None, of)
            for account in ids
        ]

    groups = {"To a higher tier": moved(1), "To a lower tier": moved(-1), "Up from Long-Tail": moved(1, TIERS[-1])}
    return tuple(evidence.sets.count(ids, title) for title, ids in groups.items() if ids)


def _flows(counts: Mapping[tuple[str, str], Row], rows: list[str], columns: list[str]) -> str:
    accounts = {key: row["accounts"] for key, row in counts.items()}
    moved = [f"{n} from {of} to {to}" for (of, to), n in accounts.items() if n and of != to]
    return flows_svg(
        accounts,
        [(name, "New" if name == _NOT_LIVE else label(name)) for name in rows],
        [(name, "Lost" if name == _NOT_LIVE else label(name)) for name in columns],
        "Accounts between coverage tiers",
        "; ".join(moved) or "Nobody moved.",
    )


def _summary(evidence: Evidence) -> list[str]:
    row = evidence.first_of_day("tier_migration_summary")
    if row is None:
        return []
    sentences = [
        f"{counted(row['up_accounts'], 'account')} moved to a higher tier with {money(row['up_arr'])} ARR, "
        f"{counted(row['down_accounts'], 'account')} to a lower one with {money(row['down_arr'])} ARR."
    ]
    if row["graduation_rate"] is not None:
        sentences.append(
            f"Graduation: {row['graduated_accounts']} of {counted(row['long_tail_accounts'], 'Long-Tail account')} "
            f"moved up ({share(row['graduation_rate'])})."
        )
    lag, bench = row["downgrade_to_churn_months"], row["downgrade_to_churn_benchmark_low"]
    lag_words = (
        f"half of the downgraded accounts churn within {lag:.0f} months"
        if lag is not None
        else f"{row['downgraded_then_churned']} of {counted(row['downgraded_accounts'], 'downgraded account')} "
        "churned so far; a median needs more"
    )
    high = row["downgrade_to_churn_benchmark_high"]
    rule_of_thumb = f" (rule of thumb {bench:g}–{high:g} months)" if bench else ""
    sentences.append(f"Downgrade to churn: {lag_words}{rule_of_thumb}.")
    return sentences


def _bridge(evidence: Evidence) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]]:
    """The ARR bridge of each tier and of the company over the targets' window: one row per step."""
    where = f"window_months = {evidence.policy.targets.window_months}"
    tiers = {row["coverage_tier"]: row for row in evidence.of_day("tier_kpis", where=where)}
    shown = [(tier, tiers[tier]) for tier in (*TIERS, _UNASSIGNED) if tier in tiers and _has_any(tiers[tier])]
    company = evidence.first_of_day("company_kpis", where=where)
    if company:
        shown.append(("Company", company))
    if not shown:
        return (), ()
    rows = [row for _, row in shown]
    steps = [("Start", "start_arr", 0), *_STEPS[:5], *_MIGRATION, _STEPS[5], ("End", "end_arr", 0)]
    lines = []
    for name, column, sign in steps:
        values = [row[column] * (sign or 1) for row in rows]
        lines.append((name, tuple((change if sign else money)(v) for v in values), tuple(exact(v) for v in values)))
    return tuple(label(name) for name, _ in shown), tuple(lines)


def _has_any(row: Row) -> bool:
    return bool(row["start_arr"] or row["end_arr"] or row["new_arr"])


def _charts(evidence: Evidence) -> dict[str, str]:
    row = evidence.first_of_day("company_kpis", where=f"window_months = {evidence.policy.targets.window_months}")
    if row is None or not row["end_arr"]:
        return {}
    steps: list[dict[str, Any]] = [_total("Start", row["start_arr"])]
    level = row["start_arr"]
    for name, column, sign in _STEPS:
        value = row[column] * sign
        if round(value) == 0:
            continue
        low, high = sorted((level, level + value))
        steps.append({"name": name, "low": low, "high": high, "top": high, "text": change(value),
                      "kind": "up" if value > 0 else "down"})  # fmt: skip
        level += value
    steps.append(_total("End", row["end_arr"]))
    floor = min(step["low"] for step in steps if step["kind"] != "total") * 0.95 if len(steps) > 2 else 0
    for step in steps:
        if step["kind"] == "total":
            step["low"] = min(floor, step["high"])
    description = "; ".join(f"{step['name']} {step['text']}" for step in steps)
    return {"bridge": charts.waterfall(steps, title="ARR bridge over twelve months", description=description)}


def _total(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "low": 0.0, "high": value, "top": value, "text": money(value), "kind": "total"}


# -- the list of moves


def moves(evidence: Evidence) -> list[list[Any]]:
    """Accounts whose segment or tier differs from the snapshot before, with the cause; the largest ARR first.

    The cause is that of `segment_moves`, or, if no run recorded the move there, that of `segments`.
    """
    if evidence.previous is None:
        return []
    days = evidence.rows(
        "SELECT * FROM segments WHERE as_of IN (?, ?) ORDER BY arr DESC, account_id",
        evidence.previous,
        evidence.as_of,
    )
    before = {row["account_id"]: row for row in days if row["as_of"] == evidence.previous}
    causes, parts = _causes(evidence), _changed_parts(evidence)
    rows = []
    for row in (row for row in days if row["as_of"] == evidence.as_of and row["account_id"] in before):
        old = before[row["account_id"]]
        for kind, column in (("segment", "segment"), ("tier", "coverage_tier")):
            was, now, since = old[column], row[column], row[f"{kind}_since"]
            if was == now:
                continue
            recorded = causes.get((row["account_id"], kind, now))
            why = why_recorded(recorded, parts.get(key_of(recorded), ())) if recorded else why_moved(kind, old, row)
            direction = direction_of(kind, was, now, evidence.policy)
            rows.append([row["account_id"], row["account_name"] or row["account_id"], kind, was, now,
                          direction.replace("_", " "), since.isoformat(), round(row["arr"]), why])  # fmt: skip
    return rows


def _causes(evidence: Evidence) -> dict[tuple[str, str, str], Row]:
    """The last recorded move since the snapshot before, by account, kind and new segment or tier."""
    if not evidence.has("segment_moves"):
        return {}
    rows = evidence.rows(
        "SELECT * FROM segment_moves WHERE effective_on > ? AND as_of <= ? ORDER BY as_of, effective_on",
        evidence.previous, evidence.as_of,
    )  # fmt: skip
    return {(row["account_id"], row["kind"], row["moved_to"]): row for row in rows}


def _changed_parts(evidence: Evidence) -> Mapping[tuple[Any, ...], Sequence[Row]]:
    """Score parts that changed around the moves since the snapshot before, by move."""
    if not evidence.has("segment_move_parts"):
        return {}
    rows = evidence.rows(
        "SELECT * FROM segment_move_parts WHERE effective_on > ? AND as_of <= ?", evidence.previous, evidence.as_of
    )
    return parts_by_move(rows)
