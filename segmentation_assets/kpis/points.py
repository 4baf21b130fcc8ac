"""What was paid at the end of given days, as each as_of knows it: retention compares points in time.

Here: `mrr_on`, and the exchange rates of such days. Not here: the steps between the points, which one account's
history is told by (`profiles.revenue`), or what moved from one point to the other (`periods`).

What was in force on a day is the same from every later as_of that knows the same extract. So it is added up once per
day and state of the extract, and not once per as_of, of which a run over years has many.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.known import by_surviving_account, known, states
from segmentation_assets.profiles.revenue import bridged_subscriptions, started_subscriptions
from segmentation_assets.tables.amounts import total

_POINT = ("as_of", "day")


def paid_spans(
    spine: ir.Table, subscriptions: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> tuple[ir.Table, ir.Table]:
    """The state of the extract that each as_of knows, and per state when which subscription was paid for.

    (as_of, state) and (state, account_id, currency, mrr, start_date, over_on): from the first day up to `over_on`,
    null while it has no end; as `revenue.started_subscriptions` has it, but not cut off at as_of. Accounts are those
    of the extract, before mergers. With a grace, which bridges gaps of the account that carries on, every as_of is a
    state of its own.
    """
    if company.renewal_grace_days:
        started = started_subscriptions(spine, subscriptions, hierarchy)
        spans = bridged_subscriptions(started, company).rename(state="as_of", over_on="ends_on")
        seen = spine.select("as_of", state="as_of")
    else:
        seen = states(subscriptions, spine)
        rows = known(subscriptions, seen.select(as_of="state").distinct()).rename(state="as_of")
        in_order = ibis.window(group_by=["state", "subscription_id"], order_by="start_date")
        rows = rows.mutate(next_start=rows.start_date.lead().over(in_order))
        ends_on = only_if(
            rows.end_date.notnull(), ibis.greatest(rows.end_date, rows.end_known_on.fill_null(rows.end_date))
        )
        # Each stands in for the other, as engines differ on whether the least of a date and a null is the date.
        over_on = ibis.least(ends_on.fill_null(rows.next_start), rows.next_start.fill_null(ends_on))
        spans = rows.mutate(over_on=over_on)
    spans = spans.filter((spans.mrr > 0) & (spans.over_on.isnull() | (spans.over_on > spans.start_date)))
    return seen, spans.select("state", "account_id", "currency", "mrr", "start_date", "over_on")


def mrr_on(points: ir.Table, seen: ir.Table, spans: ir.Table, *by: str) -> ir.Table:
    """MRR in force at the end of each of the `points` (as_of, day), `day` up to as_of, by columns of `paid_spans`.

    Key: as_of, day and `by`. Points without revenue have no row.
    """
    at = points.distinct().join(seen, "as_of")
    sums = mrr_in_states(at.select("state", "day").distinct(), spans, *by)
    return at.join(sums, ["state", "day"]).select(*_POINT, *by, "mrr")


def mrr_in_states(days: ir.Table, spans: ir.Table, *by: str) -> ir.Table:
    """As `mrr_on`, of `days` (state, day), for whoever brings as_of in later. Key: state, day and `by`."""
    is_begun, is_over = days.day >= spans.start_date, days.day >= spans.over_on
    rows = days.join(spans, ["state", is_begun, spans.over_on.isnull() | ~is_over])
    return rows.group_by("state", "day", *by).aggregate(mrr=total(rows.mrr))


def first_paid(seen: ir.Table, spans: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """(as_of, account_id) -> `first_paid_on` of accounts that carry on; after as_of where none paid by then."""
    firsts = spans.group_by("state", "account_id").aggregate(first_paid_on=spans.start_date.min())
    rows = by_surviving_account(seen.join(firsts, "state").drop("state"), hierarchy)
    return rows.group_by("as_of", "account_id").aggregate(first_paid_on=rows.first_paid_on.min())


def rates_on(points: ir.Table, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """(as_of, day, currency) -> `rate`: the newest one valid from `day` or before, as known at as_of.

    Before a currency's first rate, the first one counts. The reporting currency's is 1.
    """
    at = points.distinct()
    rows = known(fx_rates, at, "day")
    newest = rows.rate.argmax(rows.valid_from, where=rows.valid_from <= rows.day)
    first = rows.rate.argmin(rows.valid_from)
    rates = rows.group_by(*_POINT, "currency").aggregate(rate=ibis.coalesce(newest, first))
    own = at.mutate(currency=ibis.literal(company.reporting_currency), rate=ibis.literal(1.0))
    return rates.filter(rates.currency != company.reporting_currency).union(own.select(rates.columns))
