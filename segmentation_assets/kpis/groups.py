"""Figures of groups of accounts over a period: the company, coverage tiers, segments.

Here: retention, the ARR bridge, health, cost and load per member of a grouping. Not here: targets and benchmarks
(`judging`), or spend (`acquisition`).
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.durations import COMPANY, FIRST_EXPANSION, SEGMENT, TIER
from segmentation_assets.kpis.periods import UNASSIGNED, carried_arr, has_expanded
from segmentation_assets.policy.kpis import HealthBandPolicy, RetentionPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.amounts import money, total
from segmentation_assets.tables.calendar import each, windows

_KEY = ("as_of", "window_months", "member")


@dataclass(frozen=True)
class Grouping:
    """How accounts are grouped: the key column, the columns of `account_periods`, and all members."""

    name: str
    column: str
    start: str
    end: str
    members: tuple[str, ...]


BY_TIER = Grouping(TIER, "coverage_tier", "start_tier", "end_tier", (*TIERS, UNASSIGNED))
BY_SEGMENT = Grouping(SEGMENT, "segment", "start_segment", "end_segment", (*SEGMENTS, UNASSIGNED))
BY_COMPANY = Grouping(COMPANY, COMPANY, "start_company", "end_company", (COMPANY,))


def joined_by(rows: ir.Table, figures: ir.Table, *key: str) -> ir.Table:
    """`rows` with the columns of `figures` by `key`; null where it has none."""
    joined = rows.view().left_join(figures.view(), list(key))
    return joined.drop(*(f"{name}_right" for name in key if f"{name}_right" in joined.columns))


def group_figures(
    spine: ir.Table,
    periods: ir.Table,
    standings: ir.Table,
    workloads: ir.Table,
    medians: ir.Table,
    policy: RetentionPolicy,
    bands: HealthBandPolicy,
    grouping: Grouping,
) -> ir.Table:
    """All figures of `Kpis` except those of `judging`, per as_of, window and `member` of a grouping."""
    if grouping is BY_COMPANY:
        standings = standings.mutate(company=ibis.literal(COMPANY))
        periods = periods.mutate(
            start_company=only_if(periods.start_arr > 0, COMPANY), end_company=only_if(periods.end_arr > 0, COMPANY)
        )
    live = standings.rename(member=grouping.column)
    rows = _members(spine, policy, grouping)
    rows = joined_by(rows, _cohort(periods, grouping), *_KEY)
    rows = joined_by(rows, _arrivals(periods, grouping), *_KEY)
    rows = joined_by(rows, _state(live, bands), "as_of", "member")
    rows = joined_by(rows, _load(workloads, periods, grouping), *_KEY)
    rows = joined_by(rows, _medians(medians, spine, policy, grouping), *_KEY)
    return _reasons(_ratios(_zeros(rows)))


def _members(spine: ir.Table, policy: RetentionPolicy, grouping: Grouping) -> ir.Table:
    """Every member in every window: groups without accounts have a row too."""
    periods = windows(spine, policy.windows_months)
    return each(periods, "member", grouping.members)


def _cohort(periods: ir.Table, grouping: Grouping) -> ir.Table:
    """Retention of the accounts with ARR at the start, by the group they were in then."""
    rows = periods.filter(periods.start_arr > 0).rename(member=grouping.start)
    stayed = rows.end_arr > 0
    left_group = stayed & (rows[grouping.end] != rows.member)
    could_leave = (rows.renewal_on <= rows.as_of).fill_null(False)
    return rows.group_by(*_KEY).aggregate(
        start_accounts=rows.count(),
        retained_accounts=stayed.sum(),
        expanded_accounts=has_expanded(rows).sum().fill_null(0),
        risen_accounts=(rows.expansion_arr > 0).sum(),
        contracted_accounts=(rows.contraction_arr > 0).sum(),
        churned_accounts=(~stayed).sum(),
        migrated_out_accounts=left_group.sum(),
        migrated_out_arr=money(carried_arr(rows), left_group),
        cohort_end_arr=money(carried_arr(rows)),
        renewal_accounts=could_leave.sum(),
        renewal_start_arr=money(rows.start_arr, could_leave),
        renewal_retained_arr=money(rows.retained_arr, could_leave),
        **{n: money(rows[n]) for n in _COHORT_SUMS},
    )


_COHORT_SUMS = (
    "start_arr", "retained_arr", "expansion_arr", "expansion_volume_arr", "expansion_product_arr",
    "expansion_price_arr", "contraction_arr", "churned_arr",
)  # fmt: skip


def _arrivals(periods: ir.Table, grouping: Grouping) -> ir.Table:
    """New, reactivated and migrated ARR of the accounts with ARR at the end, by the group they are in then."""
    rows = periods.filter(periods.end_arr > 0).rename(member=grouping.end)
    came = (rows.start_arr > 0) & (rows[grouping.start] != rows.member)
    return rows.group_by(*_KEY).aggregate(
        new_accounts=(rows.new_arr > 0).sum(),
        reactivated_accounts=((rows.reactivated_arr > 0) & (rows.start_arr == 0)).sum(),
        migrated_in_accounts=came.sum(),
        migrated_in_arr=money(carried_arr(rows), came),
        new_arr=money(rows.new_arr),
        reactivated_arr=money(rows.reactivated_arr),
        fx_arr=money(rows.fx_arr),
        end_arr=money(rows.end_arr_current),
        end_arr_at_start_rates=money(rows.end_arr),
    )


def _state(live: ir.Table, bands: HealthBandPolicy) -> ir.Table:
    """Size, health, cost and pipeline at as_of. Key: as_of, member."""
    score = live.health_score
    return live.group_by("as_of", "member").aggregate(
        accounts=live.count(),
        arr=money(live.arr),
        health_accounts=score.count(),
        healthy_accounts=(score >= bands.healthy_from).sum(),
        risk_accounts=(score < bands.watch_from).sum(),
        cost_to_serve=money(live.cost_to_serve),
        costed_arr=money(live.arr, live.cost_to_serve.notnull()),
        gross_margin=money(live.gross_margin, live.cost_to_serve.notnull()),
        margin_arr=money(live.arr, live.gross_margin.notnull() & live.cost_to_serve.notnull()),
        expansion_pipeline=money(live.expansion_pipeline),
    )


_COUNTED = ("tickets", "self_service_sessions")
_HOURS = ("csm_hours", "rostered_csm_hours", "productive_hours")
_LOAD = (*_COUNTED, *_HOURS)


def _load(workloads: ir.Table, periods: ir.Table, grouping: Grouping) -> ir.Table:
    """Work in the period, by the account's group at as_of, or at t0 if it was lost since; null where not known.

    Work on accounts that paid at neither end counts for the company and for the group `unassigned`.
    """
    key = ("as_of", "account_id", "window_months")
    places = periods.select(*key, here=periods[grouping.end], before=periods[grouping.start])
    rows = joined_by(workloads, places, *key)
    elsewhere = COMPANY if grouping is BY_COMPANY else UNASSIGNED
    rows = rows.mutate(member=ibis.coalesce(rows.here, rows.before, elsewhere))
    return rows.group_by(*_KEY).aggregate(
        **{name: rows[name].sum() for name in _COUNTED}, **{name: total(rows[name]) for name in _HOURS}
    )


def _medians(medians: ir.Table, spine: ir.Table, policy: RetentionPolicy, grouping: Grouping) -> ir.Table:
    """Time to first expansion of the group's cohort; for the company, of all accounts. Key: as_of, window, member."""
    rows = medians.filter((medians.duration == FIRST_EXPANSION) & (medians.grouping == grouping.name))
    if grouping is BY_COMPANY:
        rows = rows.drop("window_months").join(windows(spine, policy.windows_months), "as_of")
    return rows.select(
        *_KEY,
        time_to_first_expansion_months="median_months",
        time_to_first_expansion_low="low_months",
        time_to_first_expansion_high="high_months",
        time_to_first_expansion_accounts="accounts",
    )


_COUNTS = (
    "start_accounts", "retained_accounts", "expanded_accounts", "risen_accounts", "contracted_accounts",
    "churned_accounts", "migrated_out_accounts", "new_accounts", "reactivated_accounts", "migrated_in_accounts",
    "renewal_accounts", "accounts", "health_accounts", "healthy_accounts", "risk_accounts",
    "time_to_first_expansion_accounts",
)  # fmt: skip
_AMOUNTS = (
    *_COHORT_SUMS, "renewal_start_arr", "renewal_retained_arr", "cohort_end_arr", "migrated_out_arr",
    "migrated_in_arr", "new_arr", "reactivated_arr", "fx_arr", "end_arr", "end_arr_at_start_rates", "arr",
)  # fmt: skip


def _zeros(rows: ir.Table) -> ir.Table:
    """0 for a group without accounts. Work is 0 only if the work of any group is known, else null."""
    counts = {name: rows[name].fill_null(0) for name in _COUNTS}
    everywhere = ibis.window(group_by=["as_of", "window_months"])
    load = {n: ibis.coalesce(rows[n], only_if(rows[n].count().over(everywhere) > 0, 0)) for n in _LOAD}
    return rows.mutate(**counts, **{name: rows[name].fill_null(0.0) for name in _AMOUNTS}, **load)


def _ratios(rows: ir.Table) -> ir.Table:
    start = rows.start_arr.nullif(0.0)
    logos = rows.start_accounts.nullif(0)
    gained = rows.new_arr + rows.expansion_arr
    company_arr = money(rows.arr, over=ibis.window(group_by=["as_of", "window_months"]))
    scored = rows.health_accounts.nullif(0)
    watched = rows.health_accounts - rows.healthy_accounts - rows.risk_accounts
    return rows.mutate(
        arr_share=rows.arr / company_arr.nullif(0.0),
        nrr=rows.cohort_end_arr / start,
        grr=rows.retained_arr / start,
        renewal_grr=rows.renewal_retained_arr / rows.renewal_start_arr.nullif(0.0),
        logo_retention=rows.retained_accounts / logos,
        expansion_rate=rows.expanded_accounts / logos,
        expansion_rate_with_price=rows.risen_accounts / logos,
        quick_ratio=(gained + rows.reactivated_arr) / (rows.contraction_arr + rows.churned_arr).nullif(0.0),
        expansion_share=rows.expansion_arr / gained.nullif(0.0),
        arr_growth=rows.end_arr_at_start_rates / start - 1,
        arr_growth_without_migration=(rows.end_arr_at_start_rates - rows.migrated_in_arr + rows.migrated_out_arr)
        / start
        - 1,
        healthy_share=rows.healthy_accounts / scored,
        watch_share=watched / scored,
        risk_share=rows.risk_accounts / scored,
        cost_share_of_arr=rows.cost_to_serve / rows.costed_arr.nullif(0.0),
        gross_margin_share=rows.gross_margin / rows.margin_arr.nullif(0.0),
        self_service_ratio=rows.self_service_sessions / (rows.self_service_sessions + rows.tickets).nullif(0),
        utilisation=rows.rostered_csm_hours / rows.productive_hours.nullif(0.0),
    )


_OF_HISTORY = ("quick_ratio", "expansion_share")


def _reasons(rows: ir.Table) -> ir.Table:
    """Adds why there is no retention. If the company had no ARR at t0, new accounts cannot be told from old ones."""
    company_start = money(rows.start_arr, over=ibis.window(group_by=["as_of", "window_months"]))
    no_history = company_start == 0
    reason = ibis.cases((no_history, "no_history"), (rows.start_accounts == 0, "no_accounts_at_start"))
    return rows.mutate(reason=reason, **{name: only_if(~no_history, rows[name]) for name in _OF_HISTORY})
