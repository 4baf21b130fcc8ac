"""The columns that KPIs of the company, of tiers and of segments share, and the identities that hold in every row.

Here: the contracts `Kpis` and `Acquisition`. Not here: how the figures are made (`groups`, `acquisition`), their
judgement (`judging`), or the tables themselves (`retention`).
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

    Where an account belongs at the start of the period decides whose loss or growth it is; where it belongs at the
    end, whose new account. Ratios are fractions, at the exchange rates of the period's start.
    """

    # What people look for first
    window_months: Integer = column("Length of the period.", unit="months", ge=1)
    accounts: Integer = column("Live accounts at as_of.", ge=0)
    arr: float = column("Their ARR at the rates of as_of.", unit=ARR, ge=0)
    nrr: float = column("Net revenue retention: cohort_end_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    nrr_target: float = column("At least this.", unit="ratio", nullable=True)
    nrr_status: str = column("met, missed, no_target, too_few (below `retention.low_n`) or unknown.", isin=STATUSES)
    grr: float = column("Gross revenue retention: retained_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    grr_target: float = column("At least this.", unit="ratio", nullable=True)
    grr_status: str = column("met, missed, no_target, too_few or unknown.", isin=STATUSES)
    logo_retention: float = column("retained_accounts / start_accounts.", unit="share", nullable=True, ge=0, le=1)
    expansion_rate: float = column(
        "expanded_accounts / start_accounts, lost ones included: more seats, plan or products.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    expansion_rate_with_price: float = column(
        "risen_accounts / start_accounts: the same with price uplifts.", unit="share", nullable=True, ge=0, le=1
    )
    starts_on: Day = column("t0: the period compares the end of this day with the end of as_of.")
    reason: str = column(
        "Why there is no retention: no_history (billing starts after t0), no_accounts_at_start; null: there is.",
        nullable=True,
        isin=REASONS,
    )
    # Size at as_of
    arr_share: float = column("Of the company's ARR; null: it has none.", unit="share", nullable=True, ge=0, le=1)
    # The closed cohort
    start_accounts: Integer = column("Accounts with ARR at t0: the cohort.", ge=0)
    start_arr: float = column("The cohort's ARR at t0.", unit=ARR, ge=0)
    cohort_end_arr: float = column("The same accounts' ARR at as_of.", unit=ARR, ge=0)
    retained_arr: float = column("Sum of each account's smaller one of both.", unit=ARR, ge=0)
    retained_accounts: Integer = column("Accounts of the cohort with ARR at as_of.", ge=0)
    expanded_accounts: Integer = column("Accounts of the cohort that grew by more seats, plan or products.", ge=0)
    risen_accounts: Integer = column("Accounts of the cohort that grew, by price too.", ge=0)
    contracted_accounts: Integer = column("Accounts of the cohort that shrank and stayed.", ge=0)
    churned_accounts: Integer = column("Accounts of the cohort without ARR at as_of.", ge=0)
    new_accounts: Integer = column("Accounts that first paid in the period and still do.", ge=0)
    reactivated_accounts: Integer = column("Accounts back after a time without ARR.", ge=0)
    nrr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    nrr_target_high: float = column("Upper end of the aim.", unit="ratio", nullable=True)
    nrr_benchmark_low: float = column(
        "Median of whole companies over a year, lower end.", unit="ratio", nullable=True
    )
    nrr_benchmark_high: float = column("The same, upper end.", unit="ratio", nullable=True)
    nrr_position: str = column(
        "Where NRR stands among whole companies; null: unknown, or not a year.", nullable=True, isin=POSITIONS
    )
    grr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    logo_retention_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    expansion_rate_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    # The bridge
    new_arr: float = column("ARR of new accounts.", unit=ARR, ge=0)
    expansion_arr: float = column("Growth of the cohort's accounts: the sum of the next three.", unit=ARR, ge=0)
    expansion_volume_arr: float = column("Of it by more seats or use of the same.", unit=ARR, ge=0)
    expansion_product_arr: float = column("Of it by another product or plan.", unit=ARR, ge=0)
    expansion_price_arr: float = column("Of it by a higher price of the same.", unit=ARR, ge=0)
    contraction_arr: float = column("Shrinking of the cohort's accounts that stayed.", unit=ARR, ge=0)
    churned_arr: float = column("ARR at t0 of the cohort's accounts that left.", unit=ARR, ge=0)
    reactivated_arr: float = column("ARR of accounts that returned after churn; not part of NRR.", unit=ARR, ge=0)
    migrated_in_arr: float = column(
        "ARR at as_of of accounts that were in another group at the start.", unit=ARR, ge=0
    )
    migrated_out_arr: float = column("ARR at as_of of accounts that are in another group at the end.", unit=ARR, ge=0)
    migrated_in_accounts: Integer = column("Number of the accounts of migrated_in_arr.", ge=0)
    migrated_out_accounts: Integer = column("Number of the accounts of migrated_out_arr.", ge=0)
    fx_arr: float = column("What exchange rates did, in the group at as_of.", unit=ARR)
    end_arr: float = column("What the bridge ends at: ARR at as_of at its rates.", unit=ARR, ge=0)
    quick_ratio: float = column(
        "(new + reactivated + expansion) / (contraction + churned); null: nothing lost.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    expansion_share: float = column("expansion / (new + expansion).", unit="share", nullable=True, ge=0, le=1)
    expansion_share_benchmark_low: float = column("Median of whole companies.", unit="share", nullable=True)
    expansion_share_benchmark_high: float = column("From here on among the top.", unit="share", nullable=True)
    arr_growth: float = column(
        "ARR at as_of / ARR at t0 - 1, both at the rates of t0, new (of a group, also migrated) accounts included.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    arr_growth_without_migration: float = column(
        "Without what moved between groups: (new + reactivated + expansion - contraction - churned) / start.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    arr_growth_benchmark_low: float = column(
        "Median of whole companies over a year, lower end.", unit="ratio", nullable=True
    )
    arr_growth_benchmark_high: float = column("The same, upper end.", unit="ratio", nullable=True)
    # Time to first expansion
    time_to_first_expansion_months: float = column(
        "Kaplan-Meier median from the first payment; null where the curve stays above one half.",
        unit="months",
        nullable=True,
        ge=0,
    )
    time_to_first_expansion_low: float = column(
        "Its confidence interval, lower end.", unit="months", nullable=True, ge=0
    )
    time_to_first_expansion_high: float = column("Upper end; null: open.", unit="months", nullable=True, ge=0)
    time_to_first_expansion_accounts: Integer = column("Accounts that it is estimated from.", ge=0)
    time_to_first_expansion_low_n: Flag = column("Fewer than `retention.low_n` of them.")
    # Health at as_of
    health_accounts: Integer = column("Live accounts with a health score.", ge=0)
    healthy_share: float = column("Of them, in the healthy band.", unit="share", nullable=True, ge=0, le=1)
    watch_share: float = column("In the band between.", unit="share", nullable=True, ge=0, le=1)
    risk_share: float = column("In the lowest band.", unit="share", nullable=True, ge=0, le=1)
    health_low_n: Flag = column("Fewer than `retention.low_n` of them.")
    # Cost of the accounts live at as_of. Work of the period: theirs, and that of accounts lost in it
    cost_to_serve: float = column("Cost to serve, per year.", unit=ARR, nullable=True, ge=0)
    cost_share_of_arr: float = column(
        "Cost to serve / ARR of the accounts whose cost is known.", unit="ratio", nullable=True, ge=0
    )
    gross_margin_share: float = column(
        "Gross margin / ARR of the accounts whose cost is known; null: no cost data.",
        unit="ratio",
        nullable=True,
        le=1,
    )
    tickets: Integer = column("Tickets opened in the period; null: no ticket extract.", nullable=True, ge=0)
    self_service_sessions: Integer = column(
        "Self-service sessions in the period; null: no such extract.", nullable=True, ge=0
    )
    self_service_ratio: float = column("Sessions / (sessions + tickets).", unit="share", nullable=True, ge=0, le=1)
    csm_hours: float = column(
        "CSM hours logged on them in the period; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    utilisation: float = column(
        "Customer hours / productive hours in the period; a CSM's count where the book is entitled to them.",
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
        """The bridge, made of subscriptions, ends at the ARR of the profiles."""
        return closes(t.end_arr, t.arr)

    @row_rule
    def expansion_is_its_kinds(cls, t: ir.Table) -> ir.BooleanValue:
        """Volume, product and price add up to the expansion, and price alone makes no account an expanded one."""
        kinds = t.expansion_volume_arr + t.expansion_product_arr + t.expansion_price_arr
        return closes(t.expansion_arr, kinds) & (t.expanded_accounts <= t.risen_accounts)

    @row_rule
    def cohort_is_closed(cls, t: ir.Table) -> ir.BooleanValue:
        """What the cohort ends at is its start, grown and shrunk: nothing new or reactivated is in it."""
        return closes(t.cohort_end_arr, t.start_arr + t.expansion_arr - t.contraction_arr - t.churned_arr)

    @row_rule
    def retention_is_its_amounts(cls, t: ir.Table) -> ir.BooleanValue:
        """NRR and GRR are what the cohort ends at and retains, over its start; unknown without a start."""
        is_complete = (t.start_arr > 0) == t.nrr.notnull()
        net = t.nrr.isnull() | closes(t.nrr * t.start_arr, t.cohort_end_arr)
        return is_complete & net & (t.grr.isnull() | closes(t.grr * t.start_arr, t.retained_arr))

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR)."""
        return at_most(t.grr, t.nrr) & (t.grr.isnull() | at_most(t.grr, 1))

    @row_rule
    def cohort_adds_up(cls, t: ir.Table) -> ir.BooleanValue:
        """An account of the cohort stayed or left."""
        return t.start_accounts == t.retained_accounts + t.churned_accounts

    @row_rule
    def accounts_close(cls, t: ir.Table) -> ir.BooleanValue:
        """Accounts at t0 - left + came - went + new + reactivated = accounts at as_of."""
        moved = t.retained_accounts + t.migrated_in_accounts - t.migrated_out_accounts
        return t.accounts == moved + t.new_accounts + t.reactivated_accounts

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """Retention is known, or the reason why not is."""
        return t.reason.isnull() == t.nrr.notnull()


class Acquisition(Kpis):
    """What new revenue costs, where spend is known: of the company and of segments."""

    gtm_spend: float = column(
        "Sales and marketing spend of the period; shared spend by share of new and expansion ARR.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    cac_payback_months: float = column(
        "Spend / (new ARR / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )
    cac_payback_blended_months: float = column(
        "Spend / ((new + expansion ARR) / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )
