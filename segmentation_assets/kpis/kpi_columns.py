"""The columns that KPIs of the company, of tiers and of segments share, and the identities that hold in every row.

Here: the contracts `Kpis` and `Acquisition`. Not here: how the figures are computed (`groups`, `acquisition`) or
compared with targets (`judging`), or the tables themselves (`retention`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.kpis.judging import POSITIONS, STATUSES
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_rule

REASONS = ("no_history", "no_accounts_at_start")
ARR = "currency per year"


class Kpis(Snapshot):
    """Figures of a group of accounts over a period that ends at as_of.

    Losses and growth count for the group that the account was in at the start of the period (t0). New accounts count
    for the group that they are in at as_of. Ratios are fractions, at the exchange rates of t0.
    """

    # What people look for first
    window_months: Integer = column("Length of the period.", unit="months", ge=1)
    accounts: Integer = column("Live accounts at as_of.", ge=0)
    arr: float = column("ARR of the live accounts at as_of, at the exchange rates of as_of.", unit=ARR, ge=0)
    nrr: float = column("Net revenue retention: cohort_end_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    nrr_target: float = column("The least NRR that meets the policy's target.", unit="ratio", nullable=True)
    nrr_status: str = column(
        "NRR against its target: met, missed, no_target, too_few (accounts) or unknown.", isin=STATUSES
    )
    grr: float = column("Gross revenue retention: retained_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    grr_target: float = column("The least GRR that meets the policy's target.", unit="ratio", nullable=True)
    grr_status: str = column("GRR against its target; the same values as nrr_status.", isin=STATUSES)
    renewal_grr: float = column(
        "GRR of the accounts that could leave: renewal_retained_arr / renewal_start_arr; null: no renewal was due.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    logo_retention: float = column("retained_accounts / start_accounts.", unit="share", nullable=True, ge=0, le=1)
    expansion_rate: float = column(
        "expanded_accounts / start_accounts. Churned accounts stay in the denominator.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    expansion_rate_with_price: float = column(
        "risen_accounts / start_accounts: also counts price uplifts.", unit="share", nullable=True, ge=0, le=1
    )
    starts_on: Day = column("t0: the period compares the end of this day with the end of as_of.")
    reason: str = column(
        "Why retention is null: no_history (billing starts after t0) or no_accounts_at_start; null: it is known.",
        nullable=True,
        isin=REASONS,
    )
    # Size at as_of
    arr_share: float = column(
        "The group's share of the company's ARR at as_of; null: the company has none.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    # The closed cohort
    start_accounts: Integer = column("Accounts with ARR at t0: the cohort.", ge=0)
    start_arr: float = column("The cohort's ARR at t0.", unit=ARR, ge=0)
    cohort_end_arr: float = column(
        "The cohort's ARR at as_of, at the exchange rates of t0, without ARR that was paused at t0.", unit=ARR, ge=0
    )
    retained_arr: float = column("Sum over the cohort of the smaller of ARR at t0 and ARR at as_of.", unit=ARR, ge=0)
    retained_accounts: Integer = column("Accounts of the cohort with ARR at as_of.", ge=0)
    renewal_accounts: Integer = column(
        "Accounts of the cohort whose renewal, as known at t0, fell in the period: their contract could end.", ge=0
    )
    renewal_start_arr: float = column("ARR at t0 of the renewal_accounts.", unit=ARR, ge=0)
    renewal_retained_arr: float = column(
        "Sum over the renewal_accounts of the smaller of ARR at t0 and ARR at as_of.", unit=ARR, ge=0
    )
    expanded_accounts: Integer = column(
        "Accounts of the cohort that pay more at as_of, by more seats, plan or products.", ge=0
    )
    risen_accounts: Integer = column(
        "Accounts of the cohort that pay more at as_of, for any reason, also price.", ge=0
    )
    contracted_accounts: Integer = column("Accounts of the cohort that pay less at as_of, or are paused then.", ge=0)
    churned_accounts: Integer = column("Accounts of the cohort without ARR at as_of, also paused ones.", ge=0)
    new_accounts: Integer = column("Accounts that first paid in the period and have ARR at as_of.", ge=0)
    reactivated_accounts: Integer = column(
        "Accounts without ARR at t0 that paid before it and have returned, also from a pause.", ge=0
    )
    nrr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    nrr_target_high: float = column("Upper end of the policy's target range for NRR.", unit="ratio", nullable=True)
    nrr_benchmark_low: float = column(
        "Benchmark: median NRR of companies over a year, lower end.", unit="ratio", nullable=True
    )
    nrr_benchmark_high: float = column("Benchmark NRR, upper end.", unit="ratio", nullable=True)
    nrr_position: str = column(
        "NRR against the benchmark of companies; null: unknown, or the period is not a year.",
        nullable=True,
        isin=POSITIONS,
    )
    grr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    renewal_grr_low_n: Flag = column("Fewer renewal_accounts than `retention.low_n`.")
    logo_retention_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    expansion_rate_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    # The bridge
    new_arr: float = column("ARR at as_of of the new accounts.", unit=ARR, ge=0)
    expansion_arr: float = column(
        "ARR that the cohort's growing accounts added since t0: volume, product and price.", unit=ARR, ge=0
    )
    expansion_volume_arr: float = column("Expansion by more seats or use of the same product.", unit=ARR, ge=0)
    expansion_product_arr: float = column("Expansion by another product or plan.", unit=ARR, ge=0)
    expansion_price_arr: float = column("Expansion by a higher price of the same product.", unit=ARR, ge=0)
    contraction_arr: float = column(
        "ARR lost since t0 by accounts of the cohort that pay less at as_of or are paused.", unit=ARR, ge=0
    )
    churned_arr: float = column(
        "ARR at t0 of the cohort's accounts that neither pay nor are paused at as_of.", unit=ARR, ge=0
    )
    reactivated_arr: float = column(
        "ARR at as_of of accounts that returned after t0, and ARR back from pauses; not part of NRR.", unit=ARR, ge=0
    )
    migrated_in_arr: float = column(
        "ARR at as_of, as in cohort_end_arr, of accounts that were in another group at t0 and are in this one.",
        unit=ARR,
        ge=0,
    )
    migrated_out_arr: float = column(
        "ARR at as_of, as in cohort_end_arr, of accounts that were in this group at t0 and are in another.",
        unit=ARR,
        ge=0,
    )
    migrated_in_accounts: Integer = column("Accounts that were in another group at t0 and are in this one.", ge=0)
    migrated_out_accounts: Integer = column("Accounts that were in this group at t0 and are in another.", ge=0)
    fx_arr: float = column("Change of ARR by exchange rates alone, of the group's accounts at as_of.", unit=ARR)
    end_arr: float = column("End of the ARR bridge: ARR at as_of, at the exchange rates of as_of.", unit=ARR, ge=0)
    quick_ratio: float = column(
        "(new + reactivated + expansion ARR) / (contraction + churned ARR); null: nothing was lost.",
        unit="times",
        nullable=True,
        ge=0,
    )
    expansion_share: float = column(
        "expansion_arr / (new_arr + expansion_arr).", unit="share", nullable=True, ge=0, le=1
    )
    expansion_share_benchmark_low: float = column(
        "Benchmark: median expansion share of companies.", unit="share", nullable=True
    )
    expansion_share_benchmark_high: float = column(
        "Benchmark: the least expansion share of top companies.", unit="share", nullable=True
    )
    arr_growth: float = column(
        "ARR at as_of / ARR at t0 - 1, at the exchange rates of t0, with new and migrated accounts.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    arr_growth_without_migration: float = column(
        "(new + reactivated + expansion - contraction - churned ARR) / start_arr: leaves migration out.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    arr_growth_benchmark_low: float = column(
        "Benchmark: median ARR growth of companies over a year, lower end.", unit="ratio", nullable=True
    )
    arr_growth_benchmark_high: float = column("Benchmark ARR growth, upper end.", unit="ratio", nullable=True)
    # Time to first expansion
    time_to_first_expansion_months: float = column(
        "Kaplan-Meier median from first payment to first expansion; null: the curve stays above one half.",
        unit="months",
        nullable=True,
        ge=0,
    )
    time_to_first_expansion_low: float = column(
        "Lower end of the median's confidence interval.", unit="months", nullable=True, ge=0
    )
    time_to_first_expansion_high: float = column(
        "Upper end of the median's confidence interval; null: it has no upper end.",
        unit="months",
        nullable=True,
        ge=0,
    )
    time_to_first_expansion_accounts: Integer = column("Accounts that the median is estimated from.", ge=0)
    time_to_first_expansion_low_n: Flag = column(
        "The median is estimated from fewer than `retention.low_n` accounts."
    )
    # Health at as_of
    health_accounts: Integer = column("Live accounts with a health score.", ge=0)
    healthy_share: float = column(
        "Share of health_accounts in the healthy band.", unit="share", nullable=True, ge=0, le=1
    )
    watch_share: float = column(
        "Share of health_accounts in the middle band.", unit="share", nullable=True, ge=0, le=1
    )
    risk_share: float = column(
        "Share of health_accounts in the lowest band.", unit="share", nullable=True, ge=0, le=1
    )
    health_low_n: Flag = column("Fewer live accounts with a health score than `retention.low_n`.")
    # Cost: of accounts live at as_of. Work in the period: also of accounts lost in it.
    cost_to_serve: float = column("Cost to serve the live accounts, per year.", unit=ARR, nullable=True, ge=0)
    cost_share_of_arr: float = column(
        "Cost to serve / ARR, of the live accounts whose cost is known.", unit="ratio", nullable=True, ge=0
    )
    gross_margin_share: float = column(
        "Gross margin / ARR, of the live accounts whose cost is known; null: no cost data.",
        unit="ratio",
        nullable=True,
        le=1,
    )
    tickets: Integer = column("Support tickets opened in the period; null: no ticket extract.", nullable=True, ge=0)
    self_service_sessions: Integer = column(
        "Self-service sessions in the period; null: no such extract.", nullable=True, ge=0
    )
    self_service_ratio: float = column(
        "self_service_sessions / (self_service_sessions + tickets).", unit="share", nullable=True, ge=0, le=1
    )
    csm_hours: float = column(
        "CSM hours logged on the accounts in the period; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    utilisation: float = column(
        "Customer hours / productive hours in the period. A CSM's productive hours are divided over the accounts by "
        "the hours that each is entitled to.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    expansion_pipeline: float = column(
        "Open expansion opportunities at as_of; null: no opportunity extract.", unit=ARR, nullable=True, ge=0
    )

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + expansion - contraction - churned + in - out + new + reactivated + FX = end, to the cent."""
        kept = t.start_arr + t.expansion_arr - t.contraction_arr - t.churned_arr
        moved = kept + t.migrated_in_arr - t.migrated_out_arr
        return closes(t.end_arr, moved + t.new_arr + t.reactivated_arr + t.fx_arr)

    @row_rule
    def bridge_ends_at_arr(cls, t: ir.Table) -> ir.BooleanValue:
        """The bridge is made from subscriptions. It ends at the ARR of the profiles."""
        return closes(t.end_arr, t.arr)

    @row_rule
    def expansion_is_its_kinds(cls, t: ir.Table) -> ir.BooleanValue:
        """Volume, product and price add up to the expansion. An account that only pays a higher price has not
        expanded.
        """
        kinds = t.expansion_volume_arr + t.expansion_product_arr + t.expansion_price_arr
        return closes(t.expansion_arr, kinds) & (t.expanded_accounts <= t.risen_accounts)

    @row_rule
    def cohort_is_closed(cls, t: ir.Table) -> ir.BooleanValue:
        """The cohort's end ARR = start + expansion - contraction - churn, without new or reactivated accounts."""
        return closes(t.cohort_end_arr, t.start_arr + t.expansion_arr - t.contraction_arr - t.churned_arr)

    @row_rule
    def retention_is_its_amounts(cls, t: ir.Table) -> ir.BooleanValue:
        """NRR = cohort_end_arr / start_arr and GRR = retained_arr / start_arr; null where start_arr is 0."""
        is_complete = (t.start_arr > 0) == t.nrr.notnull()
        net = t.nrr.isnull() | closes(t.nrr * t.start_arr, t.cohort_end_arr)
        return is_complete & net & (t.grr.isnull() | closes(t.grr * t.start_arr, t.retained_arr))

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR)."""
        return at_most(t.grr, t.nrr) & (t.grr.isnull() | at_most(t.grr, 1))

    @row_rule
    def renewals_are_part_of_the_cohort(cls, t: ir.Table) -> ir.BooleanValue:
        """Accounts that could leave are part of the cohort, and their GRR is at most 1."""
        part = at_most(t.renewal_start_arr, t.start_arr) & at_most(t.renewal_retained_arr, t.renewal_start_arr)
        return part & (t.renewal_accounts <= t.start_accounts) & (t.renewal_grr.isnull() | at_most(t.renewal_grr, 1))

    @row_rule
    def cohort_adds_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Every account of the cohort is either retained or churned."""
        return t.start_accounts == t.retained_accounts + t.churned_accounts

    @row_rule
    def accounts_close(cls, t: ir.Table) -> ir.BooleanValue:
        """Accounts at t0 - churned + migrated in - migrated out + new + reactivated = accounts at as_of."""
        moved = t.retained_accounts + t.migrated_in_accounts - t.migrated_out_accounts
        return t.accounts == moved + t.new_accounts + t.reactivated_accounts

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """A row has either NRR or a reason why there is none."""
        return t.reason.isnull() == t.nrr.notnull()


class Acquisition(Kpis):
    """KPIs with the cost of new revenue, for the company and its segments. Null where spend is not known."""

    gtm_spend: float = column(
        "Sales and marketing spend of the period. Shared spend is divided by new plus expansion ARR.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    cac_payback_months: float = column(
        "gtm_spend / (new ARR / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )
    cac_payback_blended_months: float = column(
        "gtm_spend / ((new + expansion ARR) / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )
