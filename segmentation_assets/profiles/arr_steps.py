"""When did what each account pays change, and to what?

Here: the steps of ARR, and ARR at the end of a day alone, for whoever needs it sooner than the chain gives it. Not
here: all else that `account_revenue` says of an account, or which bounds ARR crosses (`activation.crossings`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingSubscriptions, FxRates
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.known import AccountHierarchy
from segmentation_assets.profiles.revenue import annual, priced, revenue_steps, started_subscriptions
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY


class ArrSteps(Snapshot):
    """From when until when did an account pay how much? Key: as_of, account_id, day."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    day: Day = column("First day of the step.")
    until: Day = column("First day on which it no longer holds; null: it still holds at as_of.", nullable=True)
    arr: float = column(
        "Annual recurring revenue of the step, at the exchange rate of as_of.", unit="currency per year", ge=0
    )

    class Config:
        unique = ["as_of", "account_id", "day"]


@table(group="profiles")
def arr_steps(
    spine: Table[Spine],
    billing_subscriptions: Table[BillingSubscriptions],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> Table[ArrSteps]:
    """When did what each account pays change, and to what?

    One row per as_of, account and day on which its recurring revenue changed, as it is known at as_of. Days without
    revenue have no step. The step that holds at as_of is the account's `arr` in `account_revenue`.
    """
    started = started_subscriptions(spine, billing_subscriptions, account_hierarchy)
    steps = revenue_steps(priced(started, spine, fx_rates, company), company)
    return steps.select(*_KEY, "day", "until", arr=annual(steps.amount))


def arr_at_end_of_day(steps: ir.Table) -> ir.Table:
    """(as_of, account_id, arr) of the accounts that pay at as_of, from `arr_steps`."""
    holds = (steps.day <= steps.as_of) & (steps.until.isnull() | (steps.until > steps.as_of))
    return steps.filter(holds).select(*_KEY, "arr")
