"""What the typical account of each coverage tier is like, and how far an account is like it.

Here: the traits that the policy names for each tier, as Ibis expressions over one account on one day. Not here: the
rules that gave the tier (`tiers`). Traits decide nothing.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import TIERS, MicroSegmentPolicy, TierPolicy, TierTraitsPolicy
from segmentation_assets.profiles.facts import only_if

_SEPARATOR = ", "


def traits_of(
    rows: ir.Table, policy: TierTraitsPolicy, tier: TierPolicy, micro: MicroSegmentPolicy
) -> dict[str, ir.BooleanValue]:
    """Whether an account shows each trait; null: not known.

    Needs is_usage_declining, users_trend, events_trend, overdue_days, mean_days_late, health_score, digital_first,
    expansion_score and ladder_level.
    """
    has_trend = rows.users_trend.notnull() | rows.events_trend.notnull()
    is_late = (rows.overdue_days > micro.late_overdue_days).fill_null(False)
    often_late = (rows.mean_days_late >= micro.late_mean_days).fill_null(False)
    is_known = is_late | rows.mean_days_late.notnull()
    return {
        "stable_usage": only_if(has_trend, ~rows.is_usage_declining),
        "pays_on_time": only_if(is_known, ~(is_late | often_late)),
        "healthy": rows.health_score >= micro.low_health_below,
        "digital_first": rows.digital_first,
        "limited_expansion": rows.expansion_score < tier.long_tail_expansion_score.enter,
        "advanced_use": rows.ladder_level >= policy.advanced_use_from,
        "basic_use": rows.ladder_level < policy.advanced_use_from,
    }


def with_tier_traits(
    rows: ir.Table, policy: TierTraitsPolicy, tier: TierPolicy, micro: MicroSegmentPolicy
) -> ir.Table:
    """`rows` with tier_traits_shown, tier_traits_known and tier_traits_lacking. Needs coverage_tier, too."""
    traits = traits_of(rows, policy, tier, micro)

    def by_tier(count: dict[str, ir.Value]) -> ir.Value:
        return ibis.cases(*((rows.coverage_tier == name, reduce(add, (count[t] for t in policy.tiers[name])))
                            for name in TIERS))  # fmt: skip

    lacking = {name: ibis.ifelse(~shows, _SEPARATOR + name, "").fill_null("") for name, shows in traits.items()}
    return rows.mutate(
        tier_traits_shown=by_tier({name: shows.fill_null(False).cast("int64") for name, shows in traits.items()}),
        tier_traits_known=by_tier({name: shows.notnull().cast("int64") for name, shows in traits.items()}),
        tier_traits_lacking=by_tier(lacking).substr(len(_SEPARATOR)),
    )
