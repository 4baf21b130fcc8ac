"""When did each account's ARR change, and to what?

Here: the steps of ARR, and ARR at the end of a day, for modules that need it before `account_revenue` is built. Not
here: other figures on revenue (`account_revenue`), or thresholds that ARR crosses (`activation.crossings`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account
from segmentation_assets.profiles.revenue import annual
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY


class ArrSteps(Snapshot):
    """An account's ARR, and from when until when it holds. Key: as_of, account_id, day."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    day: Day = column("First day of the step.")
    until: Day = column("Day after the last day of the step; null: the step holds at as_of.", nullable=True)
    arr: float = column(
        "Annual recurring revenue of the step, at the exchange rate of as_of.", unit="currency per year", ge=0
    )

    class Config:
        unique = ["as_of", "account_id", "day"]


@table(group="profiles")
def arr_steps(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> Table[ArrSteps]:
    """When did each account's ARR change, and to what?

    One row per as_of, account and day on which one of its subscriptions begins, changes or ends, as known at as_of.
    So two steps in a row can have the same ARR. Days without revenue have no step. The ARR of the step that holds at
    as_of is the account's `arr` in `account_revenue`.
    """
    begun = subscription_steps.filter(subscription_steps.mrr != 0)
    rows = spine.select("as_of").join(begun, ibis._.as_of >= begun.day)
    rows = by_surviving_account(rows, account_hierarchy)
    rows = with_rate(rows.mutate(until=only_if(rows.until <= rows.as_of, rows.until)), fx_rates, company)
    ends = rows.filter(rows.until.notnull()).select(*_KEY, change="until")
    changes = rows.select(*_KEY, change="day").union(ends).distinct()
    in_order = ibis.window(group_by=_KEY, order_by="change")
    changes = changes.mutate(next_change=changes.change.lead().over(in_order))
    steps = rows.view()
    held = changes.join(
        steps, [*_KEY, steps.day <= changes.change, steps.until.isnull() | (steps.until > changes.change)]
    )
    sums = held.group_by(*_KEY, "change", "next_change").aggregate(
        paid=(held.mrr > 0).any(), amount=total(held.mrr * held.rate), is_priced=held.rate.notnull().all()
    )
    paid = sums.filter(sums.paid)
    arr = annual(ibis.greatest(paid.amount, 0.0))
    return paid.select(*_KEY, day="change", until="next_change", arr=only_if(paid.is_priced, arr))


def arr_at_end_of_day(steps: ir.Table) -> ir.Table:
    """(as_of, account_id, arr) of the accounts that pay at as_of, from `arr_steps`."""
    holds = (steps.day <= steps.as_of) & (steps.until.isnull() | (steps.until > steps.as_of))
    return steps.filter(holds).select(*_KEY, "arr")
