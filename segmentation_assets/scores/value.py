"""What an account is worth to the company: value, value tier and customer lifetime value.

Here: the value of an account on a day (`account_value`), and its tier by cut-offs that hold for a quarter
(`value_scores`). Not here: how long accounts stay (`lifetime`), or what more they could buy (`expansion`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.value import AddressablePolicy, ValuePolicy, ValueTierPolicy
from segmentation_assets.profiles.costs import COST_PARTS
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.expansion import captured_share
from segmentation_assets.scores.lifetime import METHODS, AccountTenures, ClvLifetimes
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.tables.amounts import cents
from segmentation_assets.tables.as_of import FromPolicy, Spine, freeze_day
from segmentation_assets.tables.contracts import Day, Flag, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_ROUNDING = 1e-9
"""Tolerance when comparing percentiles: two different ranks are much further apart."""
TIERS = ("Platinum", "Gold", "Silver", "Bronze")


class AccountValue(Snapshot):
    """What each live account is worth at `as_of`, ranked among the live accounts of the same day."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue at as_of.", unit="currency", ge=0)
    nrr_used: float = column(
        "12-month NRR, clipped to the policy's range; the policy's assumption (1) without ARR 12 months ago.",
        unit="ratio",
        ge=0,
    )
    nrr_is_assumed: Flag = column("True if the account had no ARR 12 months ago, so NRR is assumed.")
    cost_used: float = column(
        "Yearly cost to serve; the policy's assumption (0) if it is not known.", unit="currency", ge=0
    )
    cost_is_assumed: Flag = column(
        "True if a part of the cost to serve (support, CSM, custom development) is not known and counts 0."
    )
    value_before_multiplier: float = column("ARR x NRR - cost to serve, to the cent.", unit="currency")
    captured_share: float = column(
        "Licensed seats ÷ addressable seats; null if employees are not known.",
        unit="share", nullable=True, ge=0, le=1,
    )  # fmt: skip
    whitespace_multiplier: float = column("Premium for an active account with room to grow, else 1.", gt=0)
    value: float = column("value_before_multiplier x whitespace_multiplier, to the cent.", unit="currency")
    value_percentile: float = column("Mid-rank of value among live accounts x 100.", unit="score", ge=0, le=100)
    gross_margin: float = column("Yearly gross margin; null if not known.", unit="currency", nullable=True)
    clv: float = column(
        "Customer lifetime value: yearly gross margin x discounted expected residual lifetime; the next payment is "
        "not discounted.",
        unit="currency", nullable=True,
    )  # fmt: skip
    clv_method: str = column("Method of the lifetime; see clv_parameters.", nullable=True, isin=list(METHODS))
    clv_is_flagged: Flag = column("True if the lifetime is not from a fit.", nullable=True)
    clv_percentile: float = column(
        "Mid-rank of CLV among live accounts that have one x 100.", unit="score", nullable=True, ge=0, le=100
    )

    class Config:
        unique = ["as_of", "account_id"]


class ValueScores(Snapshot):
    """Value score and value tier of each live account. The cut-offs of the tiers hold for a quarter."""

    account_id: str = column("Account.")
    value: float = column("ARR x NRR - cost to serve, with the multiplier; see account_value.", unit="currency")
    value_score: float = column("Mid-rank of value among live accounts x 100.", unit="score", ge=0, le=100)
    value_tier: str = column("Value tier, by the cut-offs.", isin=list(TIERS))
    cut_platinum: float = column(
        "Smallest value in Platinum; null if no account reached it.", unit="currency", nullable=True
    )
    cut_gold: float = column(
        "Smallest value in Gold or above; null if no account reached it.", unit="currency", nullable=True
    )
    cut_silver: float = column(
        "Smallest value in Silver or above; null if no account reached it.", unit="currency", nullable=True
    )
    frozen_on: Day = column("Day whose ranks decided the cut-offs; null: as_of itself.", nullable=True)
    clv: float = column("Customer lifetime value.", unit="currency", nullable=True)
    clv_percentile: float = column(
        "Mid-rank of CLV among live accounts that have one x 100.", unit="score", nullable=True, ge=0, le=100
    )
    gross_margin: float = column("Annual gross margin.", unit="currency", nullable=True)

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def account_value(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    account_tenures: Table[AccountTenures],
    clv_lifetimes: Table[ClvLifetimes],
    policy: ValuePolicy,
    addressable: AddressablePolicy,
) -> Table[AccountValue]:
    """What is each live account worth today, and over its lifetime?

    One row per as_of and live account. Value = ARR x NRR - cost to serve, per year, in reporting currency. NRR is
    clipped to the policy's range. An NRR or cost that is not known is replaced by the policy's assumption and
    flagged. If an account is active, has licensed only a small share of its addressable seats, and has a positive
    value, the value gets a premium. CLV = gross margin x discounted expected residual lifetime of its size class and
    tenure; null if the gross margin is not known. Percentiles rank the live accounts of the same day.
    """
    value = _value(live_accounts(account_profiles, spine), policy, addressable)
    margins = value.join(_lifetimes(account_tenures, clv_lifetimes), ["as_of", "account_id"], how="left")
    rows = margins.mutate(clv=cents(margins.gross_margin * margins.derl))
    ranked = rows.mutate(
        value_percentile=mid_rank(rows.value, [rows.as_of]) * TOP,
        clv_percentile=mid_rank(rows.clv, [rows.as_of]) * TOP,
    )
    return ranked.select(*(name for name in ibis_schema(AccountValue) if name != POLICY_HASH))


@table(
    group="scores",
    reads={"account_value": FromPolicy(ValueTierPolicy, lambda p: days_of_cuts(p.freeze_per_quarter))},
)
def value_scores(
    spine: Table[Spine], account_value: Table[AccountValue], policy: ValueTierPolicy
) -> Table[ValueScores]:
    """Which value tier is each live account in: Platinum, Gold, Silver or Bronze?

    One row per as_of and live account. The mid-rank of value decides: the policy's top share is Platinum, the next
    Gold, then Silver, the rest Bronze; equal values share a tier. The cut-off of a tier is the smallest value that
    reached it on the last day of the previous quarter. It holds for the quarter (policy), so that no account moves
    because others do. If there were no accounts on that day, as_of's own ranks decide (frozen_on is null). The score
    is the mid-rank at as_of x 100.
    """
    cuts = _cuts(spine, account_value, policy)
    rows = account_value.join(cuts, "as_of")
    tier = ibis.cases(*((rows.value >= rows[f"cut_{name.lower()}"], name) for name in TIERS[:-1]), else_=TIERS[-1])
    return rows.select(
        "as_of",
        "account_id",
        "value",
        value_score=rows.value_percentile,
        value_tier=tier,
        cut_platinum="cut_platinum",
        cut_gold="cut_gold",
        cut_silver="cut_silver",
        frozen_on="frozen_on",
        clv="clv",
        clv_percentile="clv_percentile",
        gross_margin="gross_margin",
    )


def contributions(account_value: ir.Table) -> ir.Table:
    """The parts of value (in currency) and of value_score as rows of `score_contributions`."""
    return ibis.union(
        *(
            score_parts.contributions(_with_points(account_value, made_of), account_value, score, made_of)
            for score, made_of in parts().items()
        )
    )


def parts() -> dict[str, tuple[Part, ...]]:
    """The parts of the value (ARR, growth, cost, premium) and of the score (its rank)."""
    premium = Part(
        "whitespace_multiplier",
        None,
        lambda t: t.whitespace_multiplier,
        lambda t: t.value - t.value_before_multiplier,
    )
    return {
        "value": (
            Part("arr", None, lambda t: t.arr, lambda t: t.arr),
            Part("nrr", None, lambda t: t.nrr_used, lambda t: t.value_before_multiplier + t.cost_used - t.arr),
            Part("cost_to_serve", None, lambda t: t.cost_used, lambda t: -t.cost_used),
            premium,
        ),
        "value_score": (Part("mid_rank", None, lambda t: t.value, lambda t: t.value_percentile),),
    }


def days_of_cuts(is_frozen: bool) -> Callable[[date], Iterable[date]]:
    """The days that one as_of reads: itself and, if cut-offs are frozen, the last day of the previous quarter."""
    return lambda day: [freeze_day(day), day] if is_frozen else [day]


def _value(live: ir.Table, policy: ValuePolicy, addressable: AddressablePolicy) -> ir.Table:
    """The columns of `account_value` up to `value`, and the gross margin."""
    nrr = live.nrr_12m.clip(policy.nrr_floor, policy.nrr_ceiling)
    rows = live.select(
        "as_of",
        "account_id",
        "arr",
        "gross_margin",
        "mau_seat_share",
        nrr_used=nrr.fill_null(policy.assumed_nrr),
        nrr_is_assumed=live.nrr_12m.isnull(),
        cost_used=live.cost_to_serve.fill_null(policy.assumed_cost),
        cost_is_assumed=ibis.or_(*(live[part].isnull() for part in COST_PARTS)),
        captured_share=captured_share(live, addressable),
    )
    rows = rows.mutate(value_before_multiplier=cents(rows.arr * rows.nrr_used - rows.cost_used))
    has_room = (
        (rows.value_before_multiplier > 0)
        & (rows.captured_share < policy.whitespace_below_captured_share)
        & (rows.mau_seat_share >= policy.whitespace_min_seat_activity)
    )
    rows = rows.mutate(
        whitespace_multiplier=ibis.ifelse(has_room.fill_null(False), policy.whitespace_multiplier, 1.0)
    )
    return rows.mutate(value=cents(rows.value_before_multiplier * rows.whitespace_multiplier))


def _lifetimes(account_tenures: ir.Table, clv_lifetimes: ir.Table) -> ir.Table:
    """Each account with its discounted expected residual lifetime and the method."""
    rows = account_tenures.join(
        clv_lifetimes,
        [
            account_tenures.as_of == clv_lifetimes.as_of,
            account_tenures.cohort == clv_lifetimes.cohort,
            account_tenures.renewals_made == clv_lifetimes.tenure_years,
        ],
    )
    return rows.select("as_of", "account_id", "derl", clv_method="method", clv_is_flagged="is_flagged")


def _cuts(spine: ir.Table, account_value: ir.Table, policy: ValueTierPolicy) -> ir.Table:
    """The smallest value of each tier per as_of: on the freeze day, or on as_of if that day has no accounts."""
    value, percentile = account_value.value, account_value.value_percentile
    cuts = account_value.group_by(cut_on="as_of").agg(
        **{
            f"cut_{name}": value.min(where=percentile >= reached - _ROUNDING)
            for name, reached in _percentiles(policy).items()
        }
    )
    own = spine.select("as_of", cut_on="as_of", frozen_on=ibis.null("date"))
    if not policy.freeze_per_quarter:
        return own.join(cuts, "cut_on").drop("cut_on")
    frozen = spine.select("as_of", cut_on="freeze_day", frozen_on="freeze_day").join(cuts, "cut_on")
    return frozen.union(own.join(cuts, "cut_on").anti_join(frozen, "as_of")).drop("cut_on")


def _percentiles(policy: ValueTierPolicy) -> dict[str, float]:
    """The percentile that reaches each tier."""
    gold = policy.platinum_share + policy.gold_share
    from_top = {"platinum": policy.platinum_share, "gold": gold, "silver": gold + policy.silver_share}
    return {name: TOP * (1 - share) for name, share in from_top.items()}


def _with_points(account_value: ir.Table, made_of: Iterable[Part]) -> ir.Table:
    return account_value.select(*KEY, **{p.column: p.value(account_value) for p in made_of if p.value})
