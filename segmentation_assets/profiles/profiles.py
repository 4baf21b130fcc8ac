"""The one wide table on accounts: who they are, and everything the other profiles say of them.

Here: `account_profiles`: identity, lifecycle stage, parents, and the join of all profiles. Not here: figures on
revenue, usage, service or cost (the sibling modules), or points (`scores`).
"""

from __future__ import annotations

import pandera.pandas as pa

from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.engagement import AccountEngagement
from segmentation_assets.profiles.outcomes import AccountOutcomes
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.signals import AccountSignals
from segmentation_assets.profiles.support import AccountSupport
from segmentation_assets.profiles.technology import AccountTechnology
from segmentation_assets.profiles.usage import AccountUsage
from segmentation_assets.warehouse.contracts import Flag, Integer, Snapshot, column, schema_of

LIFECYCLE_STAGES = ("onboarding", "adopting", "established", "renewing", "churned")


class AccountIdentity(Snapshot):
    """Who an account is, as the CRM knew it at as_of, and where it stands with us."""

    account_id: str = column("The account; accounts merged into it are counted here.")
    account_name: str = column("Name in the CRM.", nullable=True)
    parent_account_id: str = column("The account's parent, as known at as_of.", nullable=True)
    account_executive: str = column("Account executive in the CRM.", nullable=True)
    csm_id: str = column("Customer success manager in the CRM.", nullable=True)
    executive_sponsor: str = column("Our executive sponsor.", nullable=True)
    industry: str = column("Industry.", nullable=True)
    sub_industry: str = column("Part of the industry.", nullable=True)
    country: str = column("Country.", nullable=True)
    business_model: str = column("b2b, b2c, b2b2c, marketplace or linear.", nullable=True)
    funding_stage: str = column("Funding stage.", nullable=True)
    employees: Integer = column("Employees.", unit="people", nullable=True, ge=0)
    annual_revenue: float = column("The account's own yearly revenue.", unit="currency", nullable=True, ge=0)
    primary_use_case: str = column("What they bought the product for.", nullable=True)
    maturity: str = column("New to the category, or replacing an incumbent.", nullable=True)
    decision_process: str = column("Champion, committee or executive mandate.", nullable=True)
    integration_need: str = column("Standalone, integrated or deeply integrated.", nullable=True)
    buying_cycle_days: Integer = column(
        "Days from first contact to contract.", unit="days", nullable=True, ge=0
    )
    is_reference: Flag = column("The account speaks for us.", nullable=True)
    has_strategic_influence: Flag = column("The account moves its market.", nullable=True)
    lifecycle_stage: str = column("Where the account stands in its life with us.", isin=LIFECYCLE_STAGES)
    is_backcast: Flag = column("The CRM's state of that day is not known; the first known one stands in.")
    data_completeness: float = column(
        "Share of the optional dimensions (see dimensions_present) known of this account.",
        unit="share",
        ge=0,
        le=1,
    )
    dimensions_present: str = column("The dimensions known, separated by commas.")
    parent_arr: float = column(
        "ARR of the whole group: the topmost parent and all below it.", unit="currency per year", ge=0
    )
    parent_accounts: Integer = column("Live accounts of the group.", ge=0)
    parent_nrr_12m: float = column(
        "The group's net revenue retention: ARR-weighted, over its accounts that paid twelve months before.",
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
    """Everything known of each account at day end. Columns of profiles that an account may lack are null there."""

    class Config:
        unique = ["as_of", "account_id"]

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """The columns of all profiles; those of profiles that need not have a row for the account may be null."""
        schema = super().to_schema()
        given = {*schema_of(AccountIdentity).columns, *schema_of(AccountRevenue).columns}
        return schema.update_columns({n: {"nullable": True} for n in schema.columns if n not in given})
