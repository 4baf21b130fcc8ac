"""When does each subscription hold, and on what terms?

Here: `subscription_steps`, the steps in force on given days, and pauses. Not here: sums of an account's steps
(`states`), or amounts in one currency (`exchange`).

A step counts from the later of its start and the day it became known, up to the later of its end and the day the end
became known. So the steps in force on a day are those known on that day. A published month always opens with the
figure that the month before closed with.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingSubscriptions
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.contracts import Contract, Day, Integer, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_FOREVER = (9999, 12, 31)


class SubscriptionSteps(Contract):
    """The terms of a subscription, and from when until when they hold. Key: subscription_id, day."""

    subscription_id: str = column("Subscription id.")
    day: Day = column("First day on which these terms count: they have begun and are known.")
    until: Day = column(
        "First day on which these terms no longer count; null: they have no end. On an earlier as_of, this end is "
        "not known yet.",
        nullable=True,
    )
    account_id: str = column("Paying account: its id in billing, before mergers.")
    product: str = column("Product sold.", nullable=True)
    plan: str = column("Plan of the product.", nullable=True)
    region: str = column("Region in which the subscription is sold.", nullable=True)
    seats: Integer = column("Licensed seats.", unit="seats", nullable=True, ge=0)
    mrr: float = column(
        "Recurring amount per month; 0: trial or pause; below 0: discount.", unit="currency per month"
    )
    currency: str = column("Currency of mrr, ISO 4217.")
    start_date: Day = column("First day of these terms, by the contract.")
    term_end: Day = column("Last day of the contract term.", nullable=True)
    end_date: Day = column("Day after the last day of these terms, by the contract; null: open.", nullable=True)
    end_known_on: Day = column("Day on which the end became known; null: the extract does not say.", nullable=True)
    paused_on: Day = column("First day of the pause that this step belongs to; null: no pause.", nullable=True)
    paused_mrr: float = column(
        "Amount per month before the pause; null: no pause.", unit="currency per month", nullable=True
    )

    class Config:
        unique = ["subscription_id", "day"]


@table(group="profiles", partition=None)
def subscription_steps(
    billing_subscriptions: Table[BillingSubscriptions], company: CompanyPolicy
) -> Table[SubscriptionSteps]:
    """From when until when did each subscription hold, on what terms?

    One row per subscription and day on which its terms change. Of a subscription's rows that have begun and are
    known, the one with the latest start holds. Once its end has passed and is known, the subscription is over, also
    its earlier rows. So a subscription never counts twice. If a newer drop lacks a row, or has it with another price,
    the subscription ends or changes on the day of that drop. A price of 0 after a price is a pause. If all paid
    subscriptions of an account have ended, the last ones count for `renewal_grace_days` more, or up to a renewal
    within these days.
    """
    steps = _with_pauses(_steps(billing_subscriptions))
    return _bridged(steps, company.renewal_grace_days).drop("place")


def _steps(extract: ir.Table) -> ir.Table:
    rows = extract.mutate(
        counts_from=ibis.greatest(extract.start_date, extract.known_from),
        ends_on=ends_on(extract),
    ).drop("dropped_on")
    rows = rows.filter(rows.counts_from < rows.known_to)
    over = rows.filter((rows.ends_on > rows.counts_from) & (rows.ends_on < rows.known_to))
    gone = rows.filter(rows.known_to < ibis.date(*_FOREVER))
    moments = rows.select("subscription_id", day="counts_from")
    moments = moments.union(over.select("subscription_id", day="ends_on"))
    moments = moments.union(gone.select("subscription_id", day="known_to")).distinct()
    in_order = ibis.window(group_by="subscription_id", order_by="day")
    moments = moments.mutate(until=moments.day.lead().over(in_order))
    versions = rows.view()
    held = moments.join(
        versions,
        ["subscription_id", moments.day >= versions.counts_from, moments.day < versions.known_to],
    )
    newest = ibis.window(group_by=["subscription_id", "day"], order_by=held.start_date.desc())
    held = held.mutate(newer=ibis.row_number().over(newest))
    held = held.filter((held.newer == 0) & (held.ends_on.isnull() | (held.ends_on > held.day)))
    return held.drop("newer", "counts_from", "known_from", "known_to", "ends_on", "subscription_id_right")


def ends_on(subscriptions: ir.Table) -> ir.DateValue:
    """The day from which an end counts: the end itself, or the day on which it became known, whichever is later."""
    end = subscriptions.end_date
    return only_if(end.notnull(), ibis.greatest(end, subscriptions.end_known_on.fill_null(end)))


def _with_pauses(steps: ir.Table) -> ir.Table:
    """Adds `paused_on` and `paused_mrr` to all steps of price 0 that follow a price without a gap."""
    in_order = ibis.window(group_by="subscription_id", order_by="day")
    is_free = steps.mrr == 0
    rows = steps.mutate(
        is_cut=~(is_free & (steps.mrr.lag().over(in_order) == 0)) | (steps.until.lag().over(in_order) != steps.day),
        before=only_if(steps.until.lag().over(in_order) == steps.day, steps.mrr.lag().over(in_order)),
    )
    so_far = ibis.cumulative_window(group_by="subscription_id", order_by="day")
    rows = rows.mutate(place=ibis.ifelse(rows.is_cut.fill_null(True), 1, 0).sum().over(so_far))
    run = ibis.window(group_by=["subscription_id", "place"])
    price = only_if(rows.mrr == 0, only_if(rows.before > 0, rows.before).max().over(run))
    rows = rows.mutate(paused_mrr=price, run_start=rows.day.min().over(run))
    return rows.mutate(paused_on=only_if(rows.paused_mrr.notnull(), rows.run_start)).drop(
        "is_cut", "before", "run_start"
    )


def _bridged(steps: ir.Table, grace_days: int) -> ir.Table:
    """The steps, with `until` extended over short gaps in their account's revenue, such as a late renewal."""
    if not grace_days:
        return steps
    paid = steps.filter(steps.mrr > 0)
    ends = paid.filter(paid.until.notnull()).select("account_id", gap_from="until").distinct()
    is_held = (steps.mrr > 0) | steps.paused_on.notnull()  # a pause is no gap, unlike a late renewal
    others = steps.filter(is_held).select("account_id", "day", "until").view()
    touching = ends.join(others, ["account_id", others.until.isnull() | (others.until > ends.gap_from)])
    gaps = ends.left_join(
        touching.group_by("account_id", "gap_from").aggregate(next_day=touching.day.min()), ["account_id", "gap_from"]
    )
    gaps = gaps.filter(gaps.next_day.isnull() | (gaps.next_day > gaps.gap_from))
    grace_end = days_after(gaps.gap_from, grace_days)
    gaps = gaps.select(
        gap_of="account_id",
        gap_from="gap_from",
        bridged=ibis.ifelse((gaps.next_day < grace_end).fill_null(False), gaps.next_day, grace_end),
    )
    rows = steps.left_join(gaps, [steps.account_id == gaps.gap_of, steps.until == gaps.gap_from])
    until = ibis.ifelse((rows.mrr > 0) & rows.bridged.notnull(), rows.bridged, rows.until)
    return rows.select(**{n: until if n == "until" else rows[n] for n in steps.columns})


def in_force(days: ir.Table, steps: ir.Table, day: str = "day") -> ir.Table:
    """`days` (with a date column `day`, and no other column of a step) joined with the steps in force on that day."""
    starts = steps.rename(step_day="day", step_until="until")
    is_begun, is_over = days[day] >= starts.step_day, days[day] >= starts.step_until
    return days.join(starts, [is_begun, starts.step_until.isnull() | ~is_over])


def is_paused(rows: ir.Table, day: ir.DateValue, company: CompanyPolicy) -> ir.BooleanValue:
    """Whether a step in force on `day` is a pause that has not lasted `pause_days` yet."""
    return (rows.paused_on.notnull() & (days_after(rows.paused_on, company.pause_days) > day)).fill_null(False)
