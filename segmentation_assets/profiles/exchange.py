"""Exchange rates: what a currency is worth on a day.

Here: rates as known at a day. Not here: which day's rate a figure takes; each figure says so itself.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.known import known_at


def rates_on(points: ir.Table, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """(as_of, day, currency) -> `rate`, reporting currency per unit: the newest one valid from `day` or before.

    `points` are (as_of, day). Rates are those known at as_of. Before a currency's first rate, the first one counts.
    The rate of the reporting currency is 1. A currency without any rate has no row.
    """
    at = points.select("as_of", "day").distinct()
    rows = known_at(fx_rates, at, "day")
    newest = rows.rate.argmax(rows.valid_from, where=rows.valid_from <= rows.day)
    first = rows.rate.argmin(rows.valid_from)
    rates = rows.group_by("as_of", "day", "currency").aggregate(rate=ibis.coalesce(newest, first))
    own = at.mutate(currency=ibis.literal(company.reporting_currency), rate=ibis.literal(1.0))
    return rates.filter(rates.currency != company.reporting_currency).union(own.select(rates.columns))


def with_rate(
    rows: ir.Table,
    fx_rates: ir.Table,
    company: CompanyPolicy,
    day: str = "as_of",
    name: str = "rate",
    known_on: str = "as_of",
) -> ir.Table:
    """`rows` (currency, ...) with the rate of the date in column `day`, as a new column `name`; null without one.

    The rate is the one known on the date in column `known_on`.
    """
    points = rows.select(as_of=rows[known_on], day=rows[day])
    rates = rates_on(points, fx_rates, company).select(
        rated_at="as_of", rated_on="day", rated="currency", found="rate"
    )
    same = [rows[known_on] == rates.rated_at, rows[day] == rates.rated_on, rows.currency == rates.rated]
    joined = rows.left_join(rates, same)
    return joined.select(*rows.columns, **{name: joined.found})
