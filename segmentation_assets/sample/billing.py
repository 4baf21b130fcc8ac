"""Billing extracts: subscriptions, invoices, exchange rates.

Belongs here: turning the simulated subscription rows into what a billing system exports. Not here: the simulation.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company, mrr_on
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints
from segmentation_assets.sample.traits import (
    COUNTRY_REGION,
    CURRENCIES,
    FX_START,
    LINE_PRODUCTS,
    PLANS,
    REGIONS,
    SECOND_REGION,
    TRAITS,
)

INVOICE_TERMS_DAYS = 30


@dataclass(frozen=True)
class Rates:
    """Reporting currency per unit: currency × month, from the first billed month on."""

    by_month: Floats

    @property
    def at_end(self) -> Floats:
        """The last rate of each currency."""
        return self.by_month[:, -1]


def draw_rates(company: Company) -> Rates:
    """Rates that wander a little from month to month; the reporting currency stays at one."""
    rng = company.stream("fx_rates")
    steps = 0.012 * rng.standard_normal((len(CURRENCIES), company.timeline.months))
    path = np.array(FX_START)[:, None] * np.exp(np.cumsum(steps, axis=1) * 0.6)
    path[0] = 1.0
    return Rates(path.round(5))


def fx_rates(company: Company, rates: Rates) -> pa.Table:
    """A rate per currency and month."""
    months = company.timeline.months
    starts = company.timeline.month_starts[:months]
    codes = np.repeat(np.arange(len(CURRENCIES)), months)
    columns = {
        "currency": tables.choice(CURRENCIES, codes),
        "valid_from": tables.dates(np.tile(starts, len(CURRENCIES))),
        "rate": rates.by_month.ravel(),
    }
    return tables.table("fx_rates", columns)


def _local(company: Company, rates: Rates, account: Ints, amount: Floats) -> Floats:
    return np.round(amount / rates.at_end[company.currency[account]], 2)


def billing_subscriptions(company: Company, rates: Rates) -> pa.Table:
    """The subscription rows in the currency of each account, at the rates of the end."""
    rows = company.subscriptions
    rng = company.stream("billing_subscriptions")
    region = np.array(COUNTRY_REGION)[company.country[rows.account]]
    region = np.where(rows.line == SECOND_REGION, (region + 1) % len(REGIONS), region)
    open_end = rows.end == NEVER
    columns = {
        "subscription_id": tables.ids("S", rows.number, 6),
        "start_date": tables.dates(rows.start),
        "account_id": tables.choice(company.account_ids, rows.account),
        "product": tables.choice(LINE_PRODUCTS, rows.line),
        "plan": tables.choice(PLANS, rows.plan),
        "region": tables.choice(REGIONS, region, rng.random(len(rows)) < 0.05),
        "seats": rows.seats,
        "mrr": _local(company, rates, rows.account, rows.mrr),
        "currency": tables.choice(CURRENCIES, company.currency[rows.account]),
        "end_date": tables.dates(rows.end, open_end),
        "end_known_on": tables.dates(rows.end_known, open_end),
        "term_end": tables.dates(rows.term_end, rows.term_end == NEVER),
    }
    return tables.table("billing_subscriptions", columns)


def billing_invoices(company: Company, rates: Rates) -> pa.Table:
    """Monthly or yearly in advance on the contract day; yearly ones also bill mid-term growth for the rest."""
    rng = company.stream("billing_invoices")
    annual = rng.random(company.customers) < TRAITS.of("annual_billing_share", company.tier[: company.customers])
    annual &= company.contracts.term_months > 1
    account, day, months = _billing_days(company, annual)
    amount = mrr_on(company.subscriptions, account, day) * months
    growth = _growth_bills(company, annual)
    account, day = np.concatenate([account, growth[0]]), np.concatenate([day, growth[1]])
    amount = np.concatenate([amount, growth[2]])
    order = np.lexsort((account, day))
    order = order[amount[order] > 0]
    return _invoice_table(company, rates, rng, (account[order], day[order], amount[order]))


def _billing_days(company: Company, annual: Bools) -> tuple[Ints, Ints, Ints]:
    """(account, day, months billed) of the regular invoices."""
    timeline = company.timeline
    month = np.arange(timeline.months)
    day = timeline.month_starts[month][None, :] + company.contracts.contract_day[:, None] - 1
    age = month[None, :] - company.contracts.start_month[:, None]
    due = (age >= 0) & (day <= timeline.last_day) & (~annual[:, None] | (age % 12 == 0))
    account, column = np.nonzero(due)
    return account, day[account, column], np.where(annual[account], 12, 1)


def _growth_bills(company: Company, annual: Bools) -> tuple[Ints, Ints, Floats]:
    """(account, day, amount) for growth between yearly invoices, up to the next one."""
    rows = company.subscriptions
    mine = np.flatnonzero((rows.account < company.customers) & (rows.mrr > 0))
    mine = mine[annual[rows.account[mine]]]
    account, day = rows.account[mine], rows.start[mine]
    step = mrr_on(rows, account, day) - mrr_on(rows, account, day - 1)
    age = company.timeline.month_of(day) - company.contracts.start_month[account]
    rest = 12 - age % 12
    mid_term = (rest < 12) & (step > 0)
    _, first = np.unique(account * NEVER + day, return_index=True)
    once = np.isin(np.arange(len(mine)), first) & mid_term
    return account[once], day[once], np.round(step * rest, 2)[once]


def _invoice_table(
    company: Company, rates: Rates, rng: np.random.Generator, bills: tuple[Ints, Ints, Floats]
) -> pa.Table:
    account, issued, amount = bills
    timeline, size = company.timeline, len(account)
    health = company.latents.health[account, timeline.month_of(issued)]
    habit = rng.gamma(1.2, 4.0, company.customers)[account]
    late = np.round(habit * np.exp(-0.75 * health) + rng.normal(-7, 6, size)).astype(np.int64)
    due = issued + INVOICE_TERMS_DAYS
    paid = np.maximum(due + np.minimum(late, 150), issued + 1)
    unpaid = (paid > timeline.last_day) | (rng.random(size) < 0.004 * np.exp(-health))
    columns = {
        "invoice_id": tables.ids("I", np.arange(1, size + 1), 7),
        "account_id": tables.choice(company.account_ids, account),
        "issued_on": tables.dates(issued),
        "due_on": tables.dates(due),
        "paid_on": tables.dates(paid, unpaid),
        "amount": _local(company, rates, account, amount),
        "currency": tables.choice(CURRENCIES, company.currency[account]),
        # Most billing systems say nothing of the service: each invoice lasts until the account's next one.
        "period_start": tables.dates(issued, np.ones(size, dtype=bool)),
        "period_end": tables.dates(issued, np.ones(size, dtype=bool)),
    }
    return tables.table("billing_invoices", columns)
