"""The days of service of each invoice.

Here: service periods, and invoiced amounts of twelve months. Not here: whether they agree with the subscriptions
(`reconciliation`), or whether they were paid in time (`profiles.revenue`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.known import by_surviving_account, known_at
from segmentation_assets.tables.amounts import ratio, total
from segmentation_assets.tables.contracts import SNAPSHOT_KEY
from segmentation_assets.tables.days import as_day, days_after

_KEY = SNAPSHOT_KEY
_MONTHS = 12


def billed(
    spine: ir.Table, invoices: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Invoices of each account up to as_of, at the exchange rates of as_of, credit notes netted.

    Key: as_of, account_id. `invoiced_12m`: for service in the twelve months. `issued_12m`: issued in the twelve
    months, for service of any time. `billed_ahead`: issued by as_of for service after it. `covered_from`,
    `covered_until`: first day, and day after the last day, of all invoiced service.
    """
    rows = known_at(invoices, spine, "day_12m_ago")
    rows = by_surviving_account(rows.filter(rows.issued_on <= rows.as_of), hierarchy)
    rows = with_rate(_with_service(rows), fx_rates, company)
    value = rows.amount * rows.rate
    length = rows.service_to.delta(rows.service_from, unit="day")
    first, after = days_after(rows.day_12m_ago), days_after(rows.as_of)
    inside = ibis.least(rows.service_to, after).delta(ibis.greatest(rows.service_from, first), unit="day")
    ahead = rows.service_to.delta(ibis.greatest(rows.service_from, after), unit="day")
    is_invoice = rows.amount > 0
    return rows.group_by(*_KEY).aggregate(
        invoiced_12m=total(ratio(value * ibis.greatest(inside, 0), length)),
        issued_12m=total(value, rows.issued_on > rows.day_12m_ago).fill_null(0.0),
        billed_ahead=total(ratio(value * ibis.greatest(ahead, 0), length)),
        covered_from=rows.service_from.min(where=is_invoice),
        covered_until=rows.service_to.max(where=is_invoice),
    )


def _with_service(rows: ir.Table) -> ir.Table:
    """Adds `service_from` and `service_to` (exclusive).

    Where the extract has no period, an invoice covers the days up to the account's next one, at most a year. The
    newest one covers as many days as the one before it, or a year if it is the only one. A credit note covers the
    days of the invoice before it; without one, its own day.
    """
    days = rows.filter(rows.amount > 0).select(*_KEY, billed_on="issued_on").distinct()
    in_order = ibis.window(group_by=_KEY, order_by="billed_on")
    days = days.mutate(next_on=days.billed_on.lead().over(in_order), before_on=days.billed_on.lag().over(in_order))
    a_year_on = as_day(days.billed_on + ibis.interval(months=_MONTHS))
    usual = as_day(
        days.billed_on + days.billed_on.delta(days.before_on.fill_null(days.billed_on), unit="day").as_interval("D")
    )
    expected = ibis.ifelse(days.before_on.isnull(), a_year_on, usual)
    days = days.select(
        "billed_on",
        "next_on",
        billed_at="as_of",
        billed_to="account_id",
        covers_to=ibis.least(days.next_on.fill_null(expected), a_year_on),
    )
    # `days` are made from `rows`: without views of their own, Ibis would compare `rows` with itself.
    rows, days = rows.view(), days.view()
    is_begun, is_over = rows.issued_on >= days.billed_on, rows.issued_on >= days.next_on
    joined = rows.left_join(
        days,
        [
            rows.as_of == days.billed_at,
            rows.account_id == days.billed_to,
            is_begun,
            days.next_on.isnull() | ~is_over,
        ],
    )
    service_from = ibis.coalesce(joined.period_start, joined.billed_on, joined.issued_on)
    next_day = days_after(service_from)
    service_to = ibis.greatest(ibis.coalesce(joined.period_end, joined.covers_to, next_day), next_day)
    return joined.select(*rows.columns, service_from=service_from, service_to=service_to)
