"""How much of ARR, expansion and CSM hours the largest accounts have.

Here: `concentration`, also whether engaged use goes with expansion. Not here: KPIs of tiers (`retention`), or traits
one by one (`icp`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.intervals import normal_quantile
from segmentation_assets.kpis.periods import AccountPeriods, has_expanded
from segmentation_assets.policy.insights import EngagedUsePolicy, TraitPolicy
from segmentation_assets.policy.kpis import Benchmark, BenchmarkPolicy, RetentionPolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.tables.amounts import money, ratio, total
from segmentation_assets.tables.as_of import Spine, months_ago
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

LIFT_REASONS = ("no_history", "no_accounts_to_compare", "nobody_expanded")
_KEY = SNAPSHOT_KEY
_ARR = "currency per year"
_MONTHS = 12


class Concentration(Snapshot):
    """Concentration of ARR, expansion and CSM hours, and the effect of engaged use. Key: as_of."""

    accounts: Integer = column("Live accounts.", ge=1)
    arr: float = column("ARR of the live accounts at as_of.", unit=_ARR, ge=0)
    low_n: Flag = column("Fewer live accounts than `retention.low_n`.")
    top_accounts: Integer = column(
        "Top accounts: the policy's share of the live accounts with the most ARR, rounded up.", ge=1
    )
    top_arr: float = column("ARR of the top accounts at as_of.", unit=_ARR, ge=0)
    top_arr_share: float = column("top_arr / arr.", unit="share", ge=0, le=1)
    top_arr_share_benchmark_low: float = column("Benchmark: the top accounts' share of ARR, lower end.", unit="share")
    top_arr_share_benchmark_high: float = column(
        "Benchmark: the top accounts' share of ARR, upper end.", unit="share"
    )
    whitespace: float = column(
        "ARR that the live accounts could still buy; null: not known of any account.", unit=_ARR, nullable=True, ge=0
    )
    top_whitespace_share: float = column(
        "The top accounts' share of whitespace; null: there is none.", unit="share", nullable=True, ge=0, le=1
    )
    expansion_arr: float = column(
        "Expansion of the twelve months up to as_of; null: no account had ARR at their start.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    start_top_expansion_share: float = column(
        "Share of expansion_arr from the accounts that were the top ones twelve months before as_of.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    top_expansion_share_benchmark_low: float = column(
        "Benchmark: the top accounts' share of expansion, lower end.", unit="share"
    )
    top_expansion_share_benchmark_high: float = column(
        "Benchmark: the top accounts' share of expansion, upper end.", unit="share"
    )
    bottom_accounts: Integer = column(
        "Bottom accounts: the half of the live accounts with the least ARR, rounded down.", ge=0
    )
    bottom_arr_share: float = column("The bottom accounts' share of ARR.", unit="share", ge=0, le=1)
    csm_hours: float = column(
        "CSM hours of twelve months on all live accounts; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    top_csm_hours_share: float = column(
        "The top accounts' share of csm_hours.", unit="share", nullable=True, ge=0, le=1
    )
    bottom_csm_hours_share: float = column(
        "The bottom accounts' share of csm_hours.", unit="share", nullable=True, ge=0, le=1
    )
    top_hours_per_account: float = column(
        "CSM hours of twelve months per top account.", unit="hours", nullable=True, ge=0
    )
    bottom_hours_per_account: float = column(
        "CSM hours of twelve months per bottom account.", unit="hours", nullable=True, ge=0
    )
    top_to_bottom_hours: float = column(
        "top_hours_per_account / bottom_hours_per_account; null: the bottom accounts got no hours.",
        unit="times",
        nullable=True,
        ge=0,
    )
    engaged_accounts: Integer = column("Accounts with strong, engaged use twelve months before as_of.", ge=0)
    engaged_expansion_rate: float = column(
        "Share of engaged_accounts that expanded in the twelve months.", unit="share", nullable=True, ge=0, le=1
    )
    other_accounts: Integer = column(
        "Other accounts with ARR twelve months before as_of whose use and touches then are known.", ge=0
    )
    other_expansion_rate: float = column(
        "Share of other_accounts that expanded in the twelve months.", unit="share", nullable=True, ge=0, le=1
    )
    expansion_lift: float = column(
        "engaged_expansion_rate / other_expansion_rate; null: see expansion_lift_reason.",
        unit="times",
        nullable=True,
        ge=0,
    )
    expansion_lift_low: float = column(
        "Lower end of the lift's log-normal interval; null: one of the rates is 0.", unit="times", nullable=True, ge=0
    )
    expansion_lift_high: float = column(
        "Upper end of the lift's log-normal interval; null: one of the rates is 0.", unit="times", nullable=True, ge=0
    )
    expansion_lift_low_n: Flag = column("Either group of the lift has fewer accounts than `retention.low_n`.")
    expansion_lift_benchmark_low: float = column("Benchmark: expansion_lift of companies, lower end.", unit="times")
    expansion_lift_benchmark_high: float = column("Benchmark: expansion_lift of companies, upper end.", unit="times")
    expansion_lift_reason: str = column("Why the lift is null; null: it is known.", nullable=True, isin=LIFT_REASONS)

    @row_rule
    def share_of_arr(cls, t: ir.Table) -> ir.BooleanValue:
        """The top accounts' share of ARR is at least their share of accounts."""
        return closes(t.top_arr_share * t.arr, t.top_arr) & (t.top_arr_share >= t.top_accounts / t.accounts - 1e-9)

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """A row has either a lift or a reason why there is none."""
        return t.expansion_lift_reason.isnull() == t.expansion_lift.notnull()

    class Config:
        unique = ["as_of"]


@table(group="kpis", reads={"account_profiles": months_ago(_MONTHS)})
def concentration(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    expansion_scores: Table[ExpansionScores],
    account_periods: Table[AccountPeriods],
    policy: EngagedUsePolicy,
    traits: TraitPolicy,
    benchmarks: BenchmarkPolicy,
    retention: RetentionPolicy,
) -> Table[Concentration]:
    """How much of ARR, whitespace and CSM hours is with the largest accounts? Do engaged accounts expand more often?

    One row per as_of with live accounts. The top accounts are the policy's share with the most ARR (account_id breaks
    ties, and part of an account rounds up). The bottom accounts are the half with the least ARR. Engaged use means
    high seat activity and enough touches, both twelve months before as_of. The lift compares how often those accounts
    and the others expanded since, with a log-normal interval (Katz). It shows a correlation, not a cause.
    """
    now = _sizes(account_profiles, expansion_scores, spine, benchmarks.top_accounts_share)
    then = _since(account_periods, account_profiles, spine, policy, benchmarks.top_accounts_share)
    rows = now.left_join(then, "as_of").drop("as_of_right")
    counts = ("engaged_accounts", "engaged_expanded", "other_accounts", "other_expanded")
    rows = rows.mutate(start_accounts=rows.start_accounts.fill_null(0), **{n: rows[n].fill_null(0) for n in counts})
    return _with_benchmarks(_ratios(rows, traits.confidence, retention.low_n), benchmarks)


def _placed(rows: ir.Table, amount: str, share: float) -> ir.Table:
    """Adds `is_top` and `is_bottom`: the largest share, rounded up, and the smaller half, rounded down."""
    order = ibis.window(group_by="as_of", order_by=[rows[amount].desc(), rows.account_id])
    rows = rows.mutate(place=ibis.row_number().over(order), places=rows.count().over(ibis.window(group_by="as_of")))
    # In binary, 0.1 x 30 is a little above 3: rounding comes before `ceil`.
    top = (rows.places * share).round(9).ceil()
    return rows.mutate(is_top=rows.place < top, is_bottom=rows.place >= rows.places - (rows.places / 2).floor())


def _sizes(profiles: ir.Table, expansion: ir.Table, spine: ir.Table, share: float) -> ir.Table:
    """Sums over all live accounts, over the top accounts and over the bottom accounts."""
    rows = live_accounts(profiles, spine).select(*_KEY, "arr", "csm_hours_12m")
    rows = with_figures(rows, expansion.select(*_KEY, "whitespace"))
    rows = _placed(rows, "arr", share)
    return rows.group_by("as_of").aggregate(
        accounts=rows.count(),
        top_accounts=rows.is_top.sum(),
        bottom_accounts=rows.is_bottom.sum(),
        arr=money(rows.arr),
        top_arr=money(rows.arr, rows.is_top),
        bottom_arr=money(rows.arr, rows.is_bottom),
        whitespace=money(rows.whitespace),
        top_whitespace=money(rows.whitespace, rows.is_top),
        csm_hours=total(rows.csm_hours_12m),
        top_hours=total(rows.csm_hours_12m, rows.is_top),
        bottom_hours=total(rows.csm_hours_12m, rows.is_bottom),
    )


def _since(
    periods: ir.Table, profiles: ir.Table, spine: ir.Table, policy: EngagedUsePolicy, share: float
) -> ir.Table:
    """Expansion in the twelve months, by top accounts and by engaged use at their start."""
    rows = periods.filter((periods.window_months == _MONTHS) & (periods.start_arr > 0)).semi_join(spine, "as_of")
    rows = rows.select(*_KEY, "starts_on", "start_arr", "expansion_arr", grew=has_expanded(rows).fill_null(False))
    rows = _placed(rows, "start_arr", share)
    then = profiles.select("mau_seat_share", "touches_90d", then="as_of", who="account_id")
    rows = rows.left_join(then, [rows.starts_on == then.then, rows.account_id == then.who])
    is_engaged = (rows.mau_seat_share >= policy.min_seat_activity) & (rows.touches_90d >= policy.min_touches_90d)
    is_known = rows.mau_seat_share.notnull() & rows.touches_90d.notnull()
    rows = rows.mutate(
        engaged=is_known & is_engaged.fill_null(False),
        other=is_known & ~is_engaged.fill_null(False),
        expanded=rows.grew,
    )
    return rows.group_by("as_of").aggregate(
        start_accounts=rows.count(),
        expansion_arr=money(rows.expansion_arr),
        top_expansion=money(rows.expansion_arr, rows.is_top),
        engaged_accounts=rows.engaged.sum(),
        engaged_expanded=(rows.engaged & rows.expanded).sum(),
        other_accounts=rows.other.sum(),
        other_expanded=(rows.other & rows.expanded).sum(),
    )


def _ratios(rows: ir.Table, confidence: float, low_n: int) -> ir.Table:
    rows = rows.mutate(
        top_arr_share=ratio(rows.top_arr, rows.arr),
        bottom_arr_share=ratio(rows.bottom_arr.fill_null(0.0), rows.arr),
        top_whitespace_share=rows.top_whitespace / rows.whitespace.nullif(0.0),
        start_top_expansion_share=rows.top_expansion / rows.expansion_arr.nullif(0.0),
        top_csm_hours_share=rows.top_hours / rows.csm_hours.nullif(0.0),
        bottom_csm_hours_share=rows.bottom_hours / rows.csm_hours.nullif(0.0),
        top_hours_per_account=ratio(rows.top_hours, rows.top_accounts),
        bottom_hours_per_account=rows.bottom_hours / rows.bottom_accounts.nullif(0),
        engaged_expansion_rate=rows.engaged_expanded / rows.engaged_accounts.nullif(0),
        other_expansion_rate=rows.other_expanded / rows.other_accounts.nullif(0),
        low_n=rows.accounts < low_n,
        expansion_lift_low_n=ibis.least(rows.engaged_accounts, rows.other_accounts) < low_n,
    )
    lift = rows.engaged_expansion_rate / rows.other_expansion_rate.nullif(0.0)
    counts = (rows.engaged_expanded, rows.other_expanded, rows.engaged_accounts, rows.other_accounts)
    hits, other_hits, n, other_n = (1 / count.nullif(0) for count in counts)
    half = (ibis.greatest(hits - n + other_hits - other_n, 0.0)).sqrt() * normal_quantile(confidence)
    has_both = (rows.engaged_expanded > 0) & (rows.other_expanded > 0)
    reason = ibis.cases(
        (rows.start_accounts == 0, "no_history"),
        ((rows.engaged_accounts == 0) | (rows.other_accounts == 0), "no_accounts_to_compare"),
        (rows.other_expanded == 0, "nobody_expanded"),
    )
    rows = rows.mutate(
        top_to_bottom_hours=rows.top_hours_per_account / rows.bottom_hours_per_account.nullif(0.0),
        expansion_lift=lift,
        expansion_lift_low=ibis.ifelse(has_both, lift * (-half).exp(), ibis.null("float64")),
        expansion_lift_high=ibis.ifelse(has_both, lift * half.exp(), ibis.null("float64")),
        expansion_lift_reason=reason,
    )
    return rows.drop(
        "bottom_arr", "top_whitespace", "top_hours", "bottom_hours", "start_accounts", "top_expansion",
        "engaged_expanded", "other_expanded",
    )  # fmt: skip


def _with_benchmarks(rows: ir.Table, policy: BenchmarkPolicy) -> ir.Table:
    bands: dict[str, Benchmark] = {
        "top_arr_share": policy.top_accounts_arr_share,
        "top_expansion_share": policy.top_accounts_expansion_share,
        "expansion_lift": policy.strong_usage_expansion_lift,
    }
    columns = {
        f"{name}_benchmark_{end}": ibis.literal(float(value))
        for name, band in bands.items()
        for end, value in (("low", band.low), ("high", band.high))
    }
    return rows.mutate(**columns)
