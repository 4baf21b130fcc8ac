"""The one wide table on accounts: identity, lifecycle stage, parents, and the columns of all other profiles.

Here: `account_profiles`. Not here: figures on revenue, usage, service or cost (the sibling modules), or points
(`scores`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import CrmAccounts
from segmentation_assets.policy.profiles import LifecyclePolicy
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.engagement import AccountEngagement
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.known import AccountHierarchy, known_at
from segmentation_assets.profiles.outcomes import AccountOutcomes
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.signals import AccountSignals
from segmentation_assets.profiles.support import AccountSupport
from segmentation_assets.profiles.technology import AccountTechnology
from segmentation_assets.profiles.usage import AccountUsage
from segmentation_assets.tables.amounts import money
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, schema_of
from segmentation_assets.tables.registry import Table, table
from segmentation_assets.tables.schemas import pa

_KEY = SNAPSHOT_KEY
LIFECYCLE_STAGES = ("onboarding", "adopting", "established", "renewing", "paused", "churned")


class AccountIdentity(Snapshot):
    """Who an account is, as the CRM knew it at as_of, and its lifecycle stage."""

    account_id: str = column("The account; accounts merged into it are counted here.")
    account_name: str = column("Name in the CRM.", nullable=True)
    parent_account_id: str = column("The account's parent, as known at as_of.", nullable=True)
    account_executive: str = column("Account executive in the CRM.", nullable=True)
    csm_id: str = column("Customer success manager in the CRM.", nullable=True)
    executive_sponsor: str = column("Our executive sponsor for the account.", nullable=True)
    industry: str = column("Industry.", nullable=True)
    sub_industry: str = column("Part of the industry.", nullable=True)
    country: str = column("Country.", nullable=True)
    business_model: str = column("b2b, b2c, b2b2c, marketplace or linear.", nullable=True)
    funding_stage: str = column("Funding stage.", nullable=True)
    employees: float = column("Employees; the middle of a range.", unit="people", nullable=True, ge=0)
    annual_revenue: float = column("The account's own revenue per year.", unit="currency", nullable=True, ge=0)
    primary_use_case: str = column("Use case for which the account bought the product.", nullable=True)
    maturity: str = column(
        "Whether the account is new to the product category or replaces another product.", nullable=True
    )
    decision_process: str = column(
        "How the account decides: champion, committee or executive mandate.", nullable=True
    )
    integration_need: str = column(
        "Integration the account needs: standalone, integrated or deeply integrated.", nullable=True
    )
    buying_cycle_days: Integer = column("Days from first contact to contract.", unit="days", nullable=True, ge=0)
    is_reference: Flag = column("The account is a reference customer.", nullable=True)
    has_strategic_influence: Flag = column("The account influences its market.", nullable=True)
    lifecycle_stage: str = column("Lifecycle stage of the account at as_of.", isin=LIFECYCLE_STAGES)
    is_backcast: Flag = column("The CRM's record of as_of is not known: the columns come from its first known drop.")
    data_completeness: float = column(
        "Share of the ten optional dimensions (see dimensions_present) with data on this account.",
        unit="share",
        ge=0,
        le=1,
    )
    dimensions_present: str = column("Optional dimensions with data on this account, separated by commas.")
    parent_arr: float = column(
        "ARR of the whole group: the topmost parent and all accounts below it.", unit="currency per year", ge=0
    )
    parent_accounts: Integer = column("Live accounts of the group.", ge=0)
    parent_nrr_12m: float = column(
        "Net revenue retention of the group, weighted by ARR: of the accounts that paid and were under the topmost "
        "parent twelve months before, whatever their parent is today.",
        unit="ratio",
        nullable=True,
        ge=0,
    )

    class Config:
        unique = ["as_of", "account_id"]


class AccountProfiles(
    AccountCosts,
    AccountSignals,
    AccountTechnology,
    AccountOutcomes,
    AccountEngagement,
    AccountSupport,
    AccountUsage,
    AccountRevenue,
    AccountIdentity,
):
    """All profile columns of each account at the end of as_of. Null where the account is not in a profile."""

    class Config:
        unique = ["as_of", "account_id"]

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """The columns of all profiles. Those from a profile that may lack the account may be null."""
        schema = super().to_schema()
        kept_columns = {*schema_of(AccountIdentity).columns, *schema_of(AccountRevenue).columns}
        return schema.update_columns({n: {"nullable": True} for n in schema.columns if n not in kept_columns})


@table(group="profiles")
def account_profiles(
    spine: Table[Spine],
    crm_accounts: Table[CrmAccounts],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    account_usage: Table[AccountUsage],
    account_support: Table[AccountSupport],
    account_engagement: Table[AccountEngagement],
    account_outcomes: Table[AccountOutcomes],
    account_technology: Table[AccountTechnology],
    account_signals: Table[AccountSignals],
    account_costs: Table[AccountCosts],
    lifecycle: LifecyclePolicy,
) -> Table[AccountProfiles]:
    """Who is each account, in which lifecycle stage is it, and what do all profiles know about it?

    One row per as_of and account that is live (ARR above 0, or paused), or churned recently (the policy says how
    recently). The CRM's columns are those known at as_of, or null if the CRM did not know the account. The lifecycle
    stage is the first that applies: churned, paused, onboarding and adopting by tenure, renewing if the renewal is
    near, else established. `data_completeness` is the share of ten optional dimensions with at least one known
    figure: firmographic (employees, revenue or industry), usage by users, product features, invoices, support,
    engagement, outcomes, technology, signals, costs. Parent figures cover all accounts under the same topmost parent
    at as_of. Only parent_nrr_12m covers the group of twelve months before.
    """
    revenue = spine.select("as_of").join(account_revenue, "as_of")
    groups = _groups(revenue, account_hierarchy)
    kept = revenue.as_of.delta(revenue.churned_on, unit="day") < lifecycle.churned_kept_days
    rows = revenue.filter(revenue.is_live | kept.fill_null(False))
    joined = (
        account_usage, account_support, account_engagement, account_outcomes, account_technology, account_signals,
        account_costs,
    )  # fmt: skip
    identity = _identity(crm_accounts, account_hierarchy, spine)
    rows = with_figures(
        rows.drop("policy_hash"), *(figures.drop("policy_hash") for figures in joined), identity, groups
    )
    present = _dimensions_present(rows)
    counted = [is_present.cast("int64") for is_present in present.values()]
    return rows.mutate(
        is_backcast=rows.is_backcast.fill_null(False),
        lifecycle_stage=_stage(rows, lifecycle),
        data_completeness=reduce(lambda a, b: a + b, counted) / len(counted),
        dimensions_present=_listed(present),
    )


def _identity(crm_accounts: ir.Table, hierarchy: ir.Table, spine: ir.Table) -> ir.Table:
    """The CRM's columns as known at as_of, the parent's id after mergers, and whether the columns are backcast."""
    rows = known_at(crm_accounts.mutate(first_drop=crm_accounts.dropped_on), spine)
    rows = rows.mutate(is_backcast=(rows.as_of < rows.first_drop).fill_null(False))
    rows = rows.drop(
        "first_drop", "merged_into_account_id", "domain", "created_on", "parent_account_id", "crm_record_id"
    )
    return rows.join(hierarchy.select(*_KEY, "parent_account_id"), _KEY)


def _groups(revenue: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """Per account: ARR, live accounts and net revenue retention of all accounts under its topmost parent.

    Retention counts the accounts under that parent twelve months before. An account that the CRM did not know then
    counts under its parent of today.
    """
    rows = with_figures(revenue, hierarchy.select(*_KEY, "top_account_id", "top_account_id_12m_ago"))
    rows = rows.mutate(top_account_id=rows.top_account_id.fill_null(rows.account_id))
    rows = rows.mutate(top_then=rows.top_account_id_12m_ago.fill_null(rows.top_account_id))
    sums = rows.group_by("as_of", "top_account_id").aggregate(
        parent_arr=money(rows.arr), parent_accounts=rows.is_live.sum()
    )
    paid = rows.filter(rows.arr_12m_ago > 0)
    kept = paid.group_by("as_of", top_account_id=paid.top_then).aggregate(
        start=money(paid.arr_12m_ago), end=money(paid.arr_at_rate_12m_ago)
    )
    groups = rows.select(*_KEY, "top_account_id").join(sums, ["as_of", "top_account_id"])
    groups = groups.left_join(kept, ["as_of", "top_account_id"])
    return groups.select(*_KEY, "parent_arr", "parent_accounts", parent_nrr_12m=groups.end / groups.start.nullif(0.0))


def _stage(rows: ir.Table, lifecycle: LifecyclePolicy) -> ir.StringValue:
    return ibis.cases(
        (~rows.is_live, "churned"),
        (rows.paused_on.notnull(), "paused"),
        (rows.tenure_days < lifecycle.onboarding_days, "onboarding"),
        (rows.tenure_days < lifecycle.adopting_days, "adopting"),
        (rows.days_to_renewal <= lifecycle.renewing_days, "renewing"),
        else_="established",
    )


def _dimensions_present(rows: ir.Table) -> Mapping[str, ir.BooleanValue]:
    """Per optional dimension: whether any figure from its extract is known."""
    figures = {
        "firmographic": ("employees", "annual_revenue", "industry"),
        "usage": ("usage_through",),
        "features": ("feature_breadth_share",),
        "invoices": ("invoices_late_12m",),
        "support": ("tickets_12m", "self_service_sessions_90d"),
        "engagement": ("touches_90d", "meetings_90d", "survey_response_rate"),
        "outcomes": ("goals_set",),
        "technology": ("tools",),
        "signals": ("signals_180d",),
        "costs": ("cost_to_serve",),
    }
    return {name: ibis.or_(*(rows[c].notnull() for c in columns)) for name, columns in figures.items()}


def _listed(present: Mapping[str, ir.BooleanValue]) -> ir.StringValue:
    """The names of the dimensions present, separated by commas."""
    each = (ibis.ifelse(is_present, f", {name}", "") for name, is_present in present.items())
    return reduce(lambda a, b: a + b, each).substr(2)
