"""The ARR cuts of the Strategic tier, frozen for a quarter.

Here: where the top 10 % and the top 5 % of ARR begin. Not here: the other rules of a tier (`candidates`, `tiers`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import TierPolicy
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.tables.as_of import Spine, freeze_day
from segmentation_assets.tables.contracts import Day, Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_ROUNDING = 1e-9


class TierCuts(Snapshot):
    """The ARR from which an account is among the largest. Key: as_of; one row per day with a live account."""

    strategic_cut: float = column(
        "Smallest ARR among the top share of accounts that may be Strategic; null: too few accounts for that share.",
        unit="currency", nullable=True, gt=0,
    )  # fmt: skip
    top_cut: float = column(
        "Smallest ARR among the top share of accounts that are Strategic by ARR alone; null: too few accounts.",
        unit="currency", nullable=True, gt=0,
    )  # fmt: skip
    frozen_on: Day = column(
        "Day whose ARR gave the cuts: the last day of the previous quarter, or as_of if no account was live then."
    )
    ranked_accounts: Integer = column("Live accounts ranked on frozen_on.", ge=1)

    class Config:
        unique = ["as_of"]


@table(group="segments", reads={"account_revenue": lambda day: [freeze_day(day), day]})
def tier_cuts(spine: Table[Spine], account_revenue: Table[AccountRevenue], policy: TierPolicy) -> Table[TierCuts]:
    """From which ARR on is an account among the largest this quarter?

    One row per as_of. Live accounts are ranked by ARR on the last day of the previous quarter, or on as_of if no
    account was live then. A cut is the smallest ARR whose mid-rank is in the policy's top share, so accounts with
    equal ARR are on the same side. The cut holds for the whole quarter, so that no account becomes Strategic because
    others shrank.
    """
    cuts = _cuts_by_day(account_revenue, policy)
    frozen = cuts.rename(lambda name: f"frozen_{name}")
    own = cuts.rename(lambda name: f"own_{name}")
    days = spine.select("as_of", "freeze_day")
    rows = days.left_join(frozen, days.freeze_day == frozen.frozen_day)
    rows = rows.left_join(own, rows.as_of == own.own_day)
    is_frozen = rows.frozen_day.notnull()
    chosen = {
        name: ibis.ifelse(is_frozen, rows[f"frozen_{name}"], rows[f"own_{name}"])
        for name in ("strategic_cut", "top_cut", "ranked_accounts")
    }
    return rows.select("as_of", frozen_on=ibis.coalesce(rows.frozen_day, rows.own_day), **chosen).filter(
        lambda t: t.frozen_on.notnull()
    )


def _cuts_by_day(account_revenue: ir.Table, policy: TierPolicy) -> ir.Table:
    live = account_revenue.filter(account_revenue.is_live)
    ranked = live.mutate(rank=mid_rank(live.arr, [live.as_of]))

    def smallest(share: float) -> ir.Value:
        return ranked.arr.min(where=ranked["rank"] >= 1 - share - _ROUNDING)

    return ranked.group_by(day=ranked.as_of).agg(
        strategic_cut=smallest(policy.strategic_share),
        top_cut=smallest(policy.top_share),
        ranked_accounts=ranked.account_id.count(),
    )
