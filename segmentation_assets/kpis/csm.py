"""Retention and expansion of each customer success manager's accounts.

Here: `csm_performance`, the figures for a compensation plan. Not here: hours and load (`workloads`, `capacity`), or
who should cover whom (`capacity.assignments`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import CsmRoster
from segmentation_assets.kpis.identities import at_most
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods, carried_arr, has_expanded
from segmentation_assets.policy.insights import CsmPolicy
from segmentation_assets.policy.kpis import BenchmarkPolicy, RetentionPolicy
from segmentation_assets.profiles.known import known_at
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import cents, money, total
from segmentation_assets.tables.as_of import Spine, months_ago
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

REASONS = ("no_history", "no_accounts_at_start")
_ARR = "currency per year"
_CSM = ("as_of", "csm_id")
_MONTHS = 12


class CsmPerformance(Snapshot):
    """Accounts, retention and expansion of a CSM over twelve months. Key: as_of, csm_id."""

    csm_id: str = column("CSM in the CRM; unassigned: the row of accounts without a CSM.")
    csm_name: str = column("Name on the roster.", nullable=True)
    level: str = column("Level on the roster.", nullable=True)
    team: str = column("Team on the roster.", nullable=True)
    accounts: Integer = column("Live accounts covered at as_of.", ge=0)
    arr: float = column("ARR of the live accounts covered at as_of.", unit=_ARR, ge=0)
    start_accounts: Integer = column(
        "Accounts with ARR that the CSM covered twelve months before as_of: the cohort of all ratios.", ge=0
    )
    start_arr: float = column("The cohort's ARR twelve months before as_of.", unit=_ARR, ge=0)
    cohort_end_arr: float = column(
        "The cohort's ARR at as_of, whoever covers the accounts now, without ARR that was paused at the start.",
        unit=_ARR, ge=0,
    )  # fmt: skip
    retained_arr: float = column(
        "Sum over the cohort of the smaller of ARR at the start and ARR at as_of.", unit=_ARR, ge=0
    )
    expansion_arr: float = column("ARR that the cohort's growing accounts added.", unit=_ARR, ge=0)
    expanded_accounts: Integer = column(
        "Accounts of the cohort that pay more, by more seats, plan or products.", ge=0
    )
    retained_accounts: Integer = column("Accounts of the cohort with ARR at as_of.", ge=0)
    nrr: float = column("Net revenue retention: cohort_end_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    grr: float = column("Gross revenue retention: retained_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    logo_retention: float = column("retained_accounts / start_accounts.", unit="share", nullable=True, ge=0, le=1)
    expansion_rate: float = column("expanded_accounts / start_accounts.", unit="share", nullable=True, ge=0, le=1)
    expansion_arr_rate: float = column("expansion_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    low_n: Flag = column("Fewer start accounts than `retention.low_n`.")
    weighted_nrr: float = column(
        "NRR with each account's ARR weighted by its tier at the start (weight 0 without a tier).",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    weighted_grr: float = column("GRR with the weights of weighted_nrr.", unit="ratio", nullable=True, ge=0)
    weighted_expansion: float = column(
        "expansion_arr_rate with the weights of weighted_nrr.", unit="ratio", nullable=True, ge=0
    )
    peer_expansion: float = column(
        "expansion_arr / start_arr of all other CSMs together.", unit="ratio", nullable=True, ge=0
    )
    expansion_vs_peers: float = column("expansion_arr_rate / peer_expansion.", unit="times", nullable=True, ge=0)
    rank: Integer = column(
        "Rank by weighted NRR, 1 is best, among CSMs without low_n; null: not ranked.", nullable=True, ge=1
    )
    is_best: Flag = column("The CSM ranks first.")
    best_vs_peers_benchmark_low: float = column(
        "Benchmark: expansion_vs_peers of a company's best CSM, lower end.", unit="times"
    )
    best_vs_peers_benchmark_high: float = column(
        "Benchmark: expansion_vs_peers of a company's best CSM, upper end.", unit="times"
    )
    reason: str = column(
        "Why the ratios are null: no_history (no account of the company had ARR at the start), no_accounts_at_start "
        "(this CSM's cohort is empty); null: they are known.",
        nullable=True,
        isin=REASONS,
    )

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR), weighted or not."""
        plain = at_most(t.grr, t.nrr) & (t.grr.isnull() | at_most(t.grr, 1))
        return plain & at_most(t.weighted_grr, t.weighted_nrr)

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """A row has either NRR or a reason why there is none."""
        return t.reason.isnull() == t.nrr.notnull()

    class Config:
        unique = list(_CSM)


@table(group="kpis", reads={"segments": months_ago(_MONTHS)})
def csm_performance(
    spine: Table[Spine],
    segments: Table[Segments],
    account_periods: Table[AccountPeriods],
    csm_roster: Table[CsmRoster],
    policy: CsmPolicy,
    benchmarks: BenchmarkPolicy,
    retention: RetentionPolicy,
) -> Table[CsmPerformance]:
    """How well does each CSM keep and grow accounts?

    One row per as_of and CSM with accounts at as_of or twelve months before. An account counts for the CSM who
    covered it at the start, also if it was handed over before it churned. The weighted ratios weight ARR by tier; the
    policy has the weights. Peers are all other CSMs together, without the accounts that no CSM covers.
    """
    covered = segments.select("as_of", "account_id", csm_id=segments.csm_id.fill_null(UNASSIGNED), arr="arr")
    now = (
        covered.semi_join(spine, "as_of")
        .group_by(*_CSM)
        .aggregate(accounts_now=ibis._.count(), arr_now=money(ibis._.arr))
    )
    then = _cohort(account_periods, covered, spine, policy)
    both = now.select(*_CSM).union(then.select(*_CSM), distinct=True)
    rows = both.left_join(now, list(_CSM)).select(*_CSM, "accounts_now", "arr_now")
    sums = [name for name in then.columns if name not in _CSM]
    rows = rows.left_join(then, list(_CSM)).select(
        *_CSM, "accounts_now", "arr_now", **{name: ibis._[name].fill_null(0) for name in sums}
    )
    roster = known_at(csm_roster, spine).select(*_CSM, "csm_name", "level", "team")
    rows = rows.left_join(roster, list(_CSM)).select(*rows.columns, "csm_name", "level", "team")
    return _ranked(_ratios(rows, retention.low_n), benchmarks)


def _cohort(periods: ir.Table, covered: ir.Table, spine: ir.Table, policy: CsmPolicy) -> ir.Table:
    """Sums over the accounts with ARR twelve months before, by the CSM who covered them then."""
    rows = periods.filter((periods.window_months == _MONTHS) & (periods.start_arr > 0)).semi_join(spine, "as_of")
    start = covered.select(then="as_of", who="account_id", csm="csm_id")
    rows = rows.left_join(start, [rows.starts_on == start.then, rows.account_id == start.who])
    rows = rows.mutate(
        csm_id=rows.csm.fill_null(UNASSIGNED),
        weight=ibis.cases(
            *((rows.start_tier == tier, float(weight)) for tier, weight in policy.tier_weights.items()), else_=0.0
        ),
    )
    amounts = {
        "start": rows.start_arr,
        "end": carried_arr(rows),
        "kept": rows.retained_arr,
        "grown": rows.expansion_arr,
    }
    return rows.group_by(*_CSM).aggregate(
        start_accounts=rows.count(),
        expanded_accounts=has_expanded(rows).sum().fill_null(0),
        retained_accounts=(rows.end_arr > 0).sum(),
        **{name: money(value) for name, value in amounts.items()},
        **{f"weighted_{name}": total(value * rows.weight) for name, value in amounts.items()},
    )


def _ratios(rows: ir.Table, low_n: int) -> ir.Table:
    start, weighted, accounts = rows.start.nullif(0.0), rows.weighted_start.nullif(0.0), rows.start_accounts.nullif(0)
    return rows.select(
        *_CSM,
        "csm_name",
        "level",
        "team",
        "start_accounts",
        "expanded_accounts",
        "retained_accounts",
        accounts=rows.accounts_now.fill_null(0),
        arr=rows.arr_now.fill_null(0.0),
        start_arr=rows.start,
        cohort_end_arr=rows.end,
        retained_arr=rows.kept,
        expansion_arr=rows.grown,
        nrr=rows.end / start,
        grr=rows.kept / start,
        logo_retention=rows.retained_accounts / accounts,
        expansion_rate=rows.expanded_accounts / accounts,
        expansion_arr_rate=rows.grown / start,
        weighted_nrr=rows.weighted_end / weighted,
        weighted_grr=rows.weighted_kept / weighted,
        weighted_expansion=rows.weighted_grown / weighted,
        low_n=rows.start_accounts < low_n,
        reason=ibis.cases(
            (rows.start_accounts.sum().over(ibis.window(group_by="as_of")) == 0, "no_history"),
            (rows.start_accounts == 0, "no_accounts_at_start"),
        ),
    )


def _ranked(rows: ir.Table, benchmarks: BenchmarkPolicy) -> ir.Table:
    """Adds the peers' expansion, and the rank among CSMs with enough accounts."""
    is_peer = rows.csm_id != UNASSIGNED
    day = ibis.window(group_by="as_of")

    def others(amount: ir.FloatingValue) -> ir.FloatingValue:
        """Sum over all other CSMs."""
        own = ibis.ifelse(is_peer, amount, 0.0)
        return cents(total(own, over=day) - own)

    peers = others(rows.expansion_arr) / others(rows.start_arr).nullif(0.0)
    ranks = is_peer & ~rows.low_n & rows.weighted_nrr.notnull()
    order = ibis.window(group_by=[rows.as_of, ranks], order_by=[rows.weighted_nrr.desc(), rows.csm_id])
    rows = rows.mutate(
        peer_expansion=peers,
        rank=ibis.ifelse(ranks, ibis.row_number().over(order) + 1, ibis.null("int64")),
    )
    return rows.mutate(
        expansion_vs_peers=rows.expansion_arr_rate / rows.peer_expansion.nullif(0.0),
        is_best=(rows["rank"] == 1).fill_null(False),
        best_vs_peers_benchmark_low=ibis.literal(float(benchmarks.best_csm_lift.low)),
        best_vs_peers_benchmark_high=ibis.literal(float(benchmarks.best_csm_lift.high)),
    )
