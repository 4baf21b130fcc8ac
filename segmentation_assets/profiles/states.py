"""The sum of an account's subscriptions, from one change to the next.

Here: `account_states`, the states at given days, and the kind of each change: price, volume or product. Not here:
when a subscription holds (`subscriptions`), or an account's revenue in the reporting currency (`revenue`).
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.known import AccountHierarchy
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import cents, fine, ratio, total
from segmentation_assets.tables.contracts import Contract, Day, Integer, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_LINE = ("product", "plan")


class AccountStates(Contract):
    """The sum of an account's subscriptions, and from when until when it holds. Key: account_id, day."""

    account_id: str = column("Account id in billing, before mergers.")
    day: Day = column("First day of the state.")
    until: Day = column("First day of the next state; null: this is the last one.", nullable=True)
    subscriptions: Integer = column("Paid subscriptions in force.", ge=0)
    seats: Integer = column(
        "Licensed seats of the paid subscriptions; null: none of them has seats.", unit="seats", nullable=True, ge=0
    )
    currency: str = column(
        "Currency of the paid subscriptions; null: there are none, or several currencies.", nullable=True
    )
    currency_link: float = column(
        "Product over all changes of the contracts' currency so far of rate of new / rate of old, each of its day.",
        unit="ratio",
        gt=0,
    )
    first_paid_on: Day = column("First day of the first paid subscription; null: not paid yet.", nullable=True)
    stopped_on: Day = column(
        "First day of the current time without revenue; null: the account pays, or never paid.", nullable=True
    )
    ended_on: Day = column(
        "First day of the current time with neither a paid nor a paused subscription; null: there is one, or the "
        "account never paid.",
        nullable=True,
    )
    first_rise_on: Day = column(
        "First day on which revenue of the paying account rose, for any reason except the end of a pause.",
        nullable=True,
    )
    last_rise_on: Day = column("Last day up to this state on which revenue rose.", nullable=True)
    first_expansion_on: Day = column(
        "First day on which revenue rose by more seats, plan or products.", nullable=True
    )
    last_expansion_on: Day = column(
        "Last day up to this state on which revenue rose by more seats, plan or products.", nullable=True
    )

    class Config:
        unique = ["account_id", "day"]


@table(group="profiles", partition=None)
def account_states(
    subscription_steps: Table[SubscriptionSteps], fx_rates: Table[FxRates], company: CompanyPolicy
) -> Table[AccountStates]:
    """What is the sum of an account's subscriptions from one change to the next?

    One row per account and day on which one of its subscriptions starts, ends or changes. A rise is the net rise of a
    day, at the exchange rate of that day, of an account that pays before and after it. A swap nets out, and so does a
    change of the contract's currency. A rise by price alone is no expansion.
    """
    return states_of(subscription_steps, fx_rates, company, ("account_id",))


def states_of(steps: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, key: Sequence[str]) -> ir.Table:
    """The columns of `AccountStates` from steps, per `key`, which ends in account_id."""
    changes = _changes(steps, fx_rates, company, key)
    in_order = ibis.window(group_by=key, order_by="day")
    so_far = ibis.cumulative_window(group_by=key, order_by="day")
    rows = changes.mutate(until=changes.day.lead().over(in_order))
    is_paying = rows.subscriptions > 0
    is_rise = is_paying & (rows.subscriptions_before > 0) & (cents(rows.rise) > 0)
    is_expansion = is_rise & ((cents(rows.volume) > 0) | (cents(rows["product_change"]) > 0))
    is_held = is_paying | (rows.paused > 0)
    # A time without revenue (or without any subscription) begins where the state before had one.
    stops = ~is_paying & (rows.subscriptions_before > 0)
    ends = ~is_held & ((rows.subscriptions_before > 0) | (rows.paused_before > 0))
    rows = rows.mutate(
        first_paid_on=only_if(is_paying, rows.day).min().over(so_far),
        last_stop=only_if(stops, rows.day).max().over(so_far),
        last_end=only_if(ends, rows.day).max().over(so_far),
        first_rise_on=only_if(is_rise, rows.day).min().over(so_far),
        last_rise_on=only_if(is_rise, rows.day).max().over(so_far),
        first_expansion_on=only_if(is_expansion, rows.day).min().over(so_far),
        last_expansion_on=only_if(is_expansion, rows.day).max().over(so_far),
        currency_link=rows.link.ln().sum().over(so_far).exp(),
    )
    has_paid = rows.first_paid_on.notnull()
    return rows.select(
        *key,
        "day",
        "until",
        "subscriptions",
        "seats",
        "currency",
        "currency_link",
        "first_paid_on",
        "first_rise_on",
        "last_rise_on",
        "first_expansion_on",
        "last_expansion_on",
        stopped_on=only_if((rows.subscriptions == 0) & has_paid, rows.last_stop),
        ended_on=only_if((rows.subscriptions == 0) & (rows.paused == 0) & has_paid, rows.last_end),
    )


def _changes(steps: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, key: Sequence[str]) -> ir.Table:
    """Per day of change: the sums in force before and after it, at the exchange rates of that day."""
    begins = steps.select(*key, change="day")
    days = begins.union(steps.filter(steps.until.notnull()).select(*key, change="until")).distinct()
    held = steps.view()
    held = days.join(
        held,
        [*key, held.day <= days.change, held.until.isnull() | (held.until >= days.change)],
    ).rename(step_day="day")
    held = with_rate(held, fx_rates, company, "change", known_on="change")
    is_now = held.until.isnull() | (held.until > held.change)
    was = held.step_day < held.change
    lines = by_line(
        held.mutate(
            is_after=is_now,
            is_before=was,
            amount_after=held.mrr * held.rate.fill_null(0.0),
            amount_before=held.mrr * held.rate.fill_null(0.0),
        ),
        (*key, "change"),
    )
    kinds = by_kind(lines, (*key, "change"))
    paid = held.mrr > 0
    one = held.group_by(*key, "change").aggregate(
        subscriptions=(paid & is_now).sum(),
        subscriptions_before=(paid & was).sum(),
        paused=(held.paused_on.notnull() & is_now).sum(),
        paused_before=(held.paused_on.notnull() & was).sum(),
        seats=held.seats.sum(where=paid & is_now),
        low=held.currency.min(where=paid & is_now),
        high=held.currency.max(where=paid & is_now),
        low_before=held.currency.min(where=paid & was),
        high_before=held.currency.max(where=paid & was),
        rate_after=held.rate.max(where=paid & is_now),
        rate_before=held.rate.max(where=paid & was),
    )
    rows = one.join(kinds, [*key, "change"])
    is_switch = (rows.low == rows.high) & (rows.low_before == rows.high_before) & (rows.low != rows.low_before)
    link = ibis.ifelse(is_switch.fill_null(False), ratio(rows.rate_after, rows.rate_before), 1.0).fill_null(1.0)
    currency = only_if(rows.low == rows.high, rows.low)
    return rows.mutate(day=rows.change, link=link, currency=currency)


def by_line(rows: ir.Table, key: Sequence[str]) -> ir.Table:
    """Amounts per product and plan before and after a change. Key: `key`, product, plan.

    `rows` are steps with flags `is_before`, `is_after` and amounts `amount_before`, `amount_after` in one currency. A
    paused subscription counts at its price before the pause, because a pause is neither volume, product nor price. A
    discount is a change of price.
    """
    ratio = only_if(rows.paused_on.notnull(), rows.paused_mrr)
    is_paid = (rows.mrr > 0) | rows.paused_on.notnull()
    full_after = ibis.ifelse(ratio.notnull(), ratio * rows.rate, rows.amount_after)
    full_before = ibis.ifelse(ratio.notnull(), ratio * rows.rate, rows.amount_before)
    rows = rows.mutate(
        line_product=rows["product"].fill_null(""),
        line_plan=rows.plan.fill_null(""),
        after=only_if(rows.is_after, full_after),
        before=only_if(rows.is_before, full_before),
        is_paid=is_paid,
    )
    return rows.group_by(*key, "line_product", "line_plan").aggregate(
        after=total(rows.after, rows.is_paid).fill_null(0.0),
        before=total(rows.before, rows.is_paid).fill_null(0.0),
        discount=(total(rows.after, ~rows.is_paid).fill_null(0.0) - total(rows.before, ~rows.is_paid).fill_null(0.0)),
        held_after=(rows.is_paid & rows.is_after).sum(),
        held_before=(rows.is_paid & rows.is_before).sum(),
        seats_after=rows.seats.sum(where=rows.is_paid & rows.is_after),
        seats_before=rows.seats.sum(where=rows.is_paid & rows.is_before),
    )


def by_kind(lines: ir.Table, key: Sequence[str]) -> ir.Table:
    """The change by product, by volume and by price, from `by_line`. Key: `key`.

    Product: products and plans added, minus those dropped. Volume: more or fewer seats of the same product and plan,
    at the old price; where seats are not known on both sides, the whole change (a commitment to use). Price: the
    rest. `rise` is their sum.
    """
    is_same = (lines.held_before > 0) & (lines.held_after > 0)
    change = lines.after - lines.before
    has_seats = (lines.seats_before > 0) & lines.seats_after.notnull()
    by_seats = (lines.seats_after - lines.seats_before) * (lines.before / lines.seats_before.nullif(0))
    volume = ibis.ifelse(is_same, ibis.ifelse(has_seats.fill_null(False), by_seats, change), 0.0)
    rows = lines.mutate(change_of_line=change, by_volume=volume, by_product=ibis.ifelse(is_same, 0.0, change))
    sums = rows.group_by(*key).aggregate(
        rise=total(rows.change_of_line + rows.discount),
        volume=total(rows.by_volume),
        product_change=total(rows.by_product),
    )
    return sums.mutate(price=fine(sums.rise - sums.volume - sums.product_change))


def states_for(
    days: ir.Table,
    states: ir.Table,
    steps: ir.Table,
    fx_rates: ir.Table,
    hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> ir.Table:
    """The states up to each as_of of `days`, under the surviving account. Key: as_of, account_id, day.

    States of accounts without mergers are read from `states`. For the few merged accounts, they are computed again by
    the same rule, from the steps of all accounts merged into one. `until` after as_of is null.
    """
    at = days.select("as_of").distinct()
    merged = hierarchy.filter(hierarchy.account_id != hierarchy.surviving_account_id).select(
        "as_of", raw="account_id", account_id="surviving_account_id"
    )
    own = merged.select("as_of", "account_id").distinct()
    members = merged.union(own.mutate(raw=own.account_id).select(merged.columns))
    alone = at.join(states, states.day <= at.as_of)
    alone = alone.anti_join(members, [alone.as_of == members.as_of, alone.account_id == members.raw])
    theirs = members.join(steps.rename(raw="account_id"), "raw").drop("raw")
    theirs = theirs.semi_join(at, "as_of").filter(ibis._.day <= ibis._.as_of)
    theirs = theirs.mutate(until=only_if(theirs.until <= theirs.as_of, theirs.until))
    joined = states_of(theirs, fx_rates, company, ("as_of", "account_id"))
    rows = alone.union(joined.select(alone.columns))
    return rows.mutate(until=only_if(rows.until <= rows.as_of, rows.until))


def holds_at(rows: ir.Table) -> ir.Table:
    """The rows of `states_for` that hold at the end of as_of."""
    return rows.filter(rows.until.isnull())


def churned_on(rows: ir.Table, day: ir.DateValue, company: CompanyPolicy) -> ir.DateValue:
    """The day from which the account is lost: all has ended, or a pause lasted too long. Null: not lost by `day`."""
    lapses = days_after(rows.stopped_on, company.pause_days)
    lost = ibis.ifelse(rows.ended_on.notnull(), ibis.least(rows.ended_on, lapses.fill_null(rows.ended_on)), lapses)
    return only_if(lost <= day, lost)
