"""What an account costs us, and the gross margin left of its ARR.

Here: `account_costs`: hours at their rates, cost to serve, gross margin. Not here: sales and marketing spend
(`kpis.efficiency`), or value and lifetime value (`scores`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    CsmRoster,
    CsmTimeEntries,
    CustomDevelopment,
)
from segmentation_assets.policy.service import CostPolicy
from segmentation_assets.profiles.facts import accounts_of, facts, first_fact, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.support import AccountSupport
from segmentation_assets.tables.amounts import total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

COST_PARTS = ("support_cost_12m", "csm_cost_12m", "custom_development_cost_12m")
"""The parts of cost to serve. Each is null where its extract has no row by as_of."""


class AccountCosts(Snapshot):
    """Cost to serve and gross margin of an account. Key: as_of, account_id; one row per known account.

    Null = the extract behind a cost has no row by as_of (unknown); 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    support_cost_12m: float = column(
        "Ticket handling hours of the last twelve months x the support rate.", unit="currency", nullable=True, ge=0
    )
    csm_hours_12m: float = column(
        "CSM hours booked on the account in the last twelve months.", unit="hours", nullable=True, ge=0
    )
    csm_cost_12m: float = column(
        "Cost of csm_hours_12m: each hour at the CSM's hourly cost as known on that day, else the policy's rate.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    custom_development_cost_12m: float = column(
        "Custom development hours of the last twelve months x their rate.", unit="currency", nullable=True, ge=0
    )
    cost_to_serve: float = column(
        "Sum of the known costs (support, CSM, custom development), per year; scaled to a year if tenure is shorter; "
        "null: none is known.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    cost_share_of_arr: float = column("Cost to serve ÷ ARR.", unit="ratio", nullable=True, ge=0)
    gross_margin: float = column(
        "ARR - hosting - support - custom development - CSM cost (if the policy counts it as cost of revenue), per "
        "year. An unknown cost counts as 0.",
        unit="currency",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_costs(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    account_support: Table[AccountSupport],
    csm_time_entries: Table[CsmTimeEntries],
    csm_roster: Table[CsmRoster],
    custom_development: Table[CustomDevelopment],
    policy: CostPolicy,
) -> Table[AccountCosts]:
    """What does an account cost to serve in a year, and what gross margin is left of its ARR?

    One row per as_of and known account. Cost to serve = hours of support, CSMs and custom development in the trailing
    twelve months, each at its cost. For an account with less than a year of tenure, the sum is scaled to a year; the
    tenure counts as at least `annualise_min_days`. The single costs are never scaled. Gross margin = ARR - hosting -
    cost to serve, without the CSM cost if the policy counts it as sales.
    """
    merged = survivors(account_hierarchy)
    rows = with_figures(
        accounts_of(merged),
        account_revenue.select("as_of", "account_id", "arr", "tenure_days"),
        account_support.select("as_of", "account_id", "handling_hours_12m"),
        _csm(csm_time_entries, csm_roster, merged, spine, policy),
        _custom_development(custom_development, merged, spine, policy),
    )
    on_accounts = csm_time_entries.filter(csm_time_entries.account_id.notnull())
    rows = zero_if_present(rows, first_fact(on_accounts, "worked_on"), ("csm_hours_12m", "csm_cost_12m"))
    rows = zero_if_present(rows, first_fact(custom_development, "worked_on"), ("custom_development_cost_12m",))
    rows = rows.mutate(support_cost_12m=rows.handling_hours_12m * policy.support_hourly_rate)
    return _totals(rows, policy).drop("arr", "tenure_days", "handling_hours_12m")


def _csm(entries: ir.Table, roster: ir.Table, merged: ir.Table, spine: ir.Table, policy: CostPolicy) -> ir.Table:
    """Hours and cost by account. The hourly cost is the roster's as known on the day worked."""
    rates = roster.select(rated_csm="csm_id", rated_from="known_from", rated_to="known_to", rate="hourly_cost")
    at_rate = entries.left_join(
        rates,
        [
            entries.csm_id == rates.rated_csm,
            rates.rated_from <= entries.worked_on,
            entries.worked_on < rates.rated_to,
        ],
    )
    cost = at_rate.hours * at_rate.rate.fill_null(policy.csm_hourly_rate)
    rows = facts(at_rate.mutate(cost=cost), "worked_on", merged, spine, "day_12m_ago")
    rows = rows.filter(rows.worked_on > rows.day_12m_ago)
    return rows.group_by("as_of", "account_id").aggregate(
        csm_hours_12m=total(rows.hours), csm_cost_12m=total(rows.cost)
    )


def _custom_development(work: ir.Table, merged: ir.Table, spine: ir.Table, policy: CostPolicy) -> ir.Table:
    rows = facts(work, "worked_on", merged, spine, "day_12m_ago")
    rows = rows.filter(rows.worked_on > rows.day_12m_ago)
    cost = total(rows.hours) * policy.custom_development_hourly_rate
    return rows.group_by("as_of", "account_id").aggregate(custom_development_cost_12m=cost)


def _totals(rows: ir.Table, policy: CostPolicy) -> ir.Table:
    support, csm, custom = rows.support_cost_12m, rows.csm_cost_12m, rows.custom_development_cost_12m
    is_known = support.notnull() | csm.notnull() | custom.notnull()
    of_revenue = support.fill_null(0) + custom.fill_null(0)
    if policy.csm_is_cost_of_revenue:
        of_revenue = of_revenue + csm.fill_null(0)
    total = support.fill_null(0) + csm.fill_null(0) + custom.fill_null(0)
    to_a_year = _to_a_year(rows.tenure_days, policy)
    rows = rows.mutate(
        cost_to_serve=ibis.ifelse(is_known, total * to_a_year, ibis.null("float64")),
        gross_margin=rows.arr * (1 - policy.hosting_share) - of_revenue * to_a_year,
    )
    return rows.mutate(cost_share_of_arr=rows.cost_to_serve / rows.arr.nullif(0))


def _to_a_year(tenure_days: ir.IntegerValue, policy: CostPolicy) -> ir.FloatingValue:
    """Factor that scales the cost of a short tenure to a year; 1 from a year on, and for unknown tenure."""
    counted = ibis.greatest(tenure_days.cast("float64"), policy.annualise_min_days)
    is_short = tenure_days.notnull() & (tenure_days < policy.annualise_below_days)
    return ibis.ifelse(is_short, policy.annualise_below_days / counted, 1.0)
