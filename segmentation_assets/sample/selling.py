"""Sales extracts: opportunities, leads, spend on sales and marketing.

Belongs here: what the CRM says of deals, in line with the subscriptions that came of them. Not here: billing.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company, mrr_on
from segmentation_assets.sample.lifecycle import EXPAND, RENEW, START, SWAP
from segmentation_assets.sample.timeline import NEVER, Floats, Ints
from segmentation_assets.sample.touchpoints import happenings
from segmentation_assets.sample.traits import (
    COMPETITORS,
    COUNTRIES,
    COUNTRY_SHARE,
    INDUSTRY_NAMES,
    INDUSTRY_SHARE,
    LOSS_REASONS,
    MOTIONS,
    USE_CASES,
)

KINDS = ("new", "expansion", "renewal")
STAGES = ("open", "won", "lost")
NEW, EXPANSION, RENEWAL = range(3)
OPEN, WON, LOST = range(3)
SPEND_SHARE = 0.22  # of ARR a year
CYCLE_DAYS = (140, 80, 40, 18)


@dataclass(frozen=True)
class Deals:
    """Opportunities before they get an id, in the reporting currency."""

    account: Ints
    kind: Ints
    stage: Ints
    amount: Floats
    created: Ints
    closed: Ints  # NEVER while open


def _joined(parts: list[Deals]) -> Deals:
    return Deals(*(np.concatenate([getattr(part, name) for part in parts]) for name in Deals.__dataclass_fields__))


def opportunities(company: Company) -> pa.Table:
    """Won, lost and open deals of the window."""
    rng = company.stream("opportunities")
    deals = _joined([_won(rng, company), _lost_renewals(rng, company), _lost(rng, company), _open(rng, company)])
    timeline = company.timeline
    seen = (deals.created <= timeline.last_day) & (deals.closed >= timeline.first_day) & (deals.amount > 0)
    order = np.flatnonzero(seen)
    order = order[np.lexsort((deals.kind[order], deals.account[order], deals.created[order]))]
    deals = Deals(*(getattr(deals, name)[order] for name in Deals.__dataclass_fields__))
    size, lost = len(order), deals.stage == LOST
    reason = rng.choice(len(LOSS_REASONS), size, p=[0.25, 0.30, 0.20, 0.15, 0.10])
    rival = rng.random(size) < np.where(lost & (reason == 2), 1.0, 0.2)
    columns = {
        "opportunity_id": tables.ids("O", np.arange(1, size + 1), 6),
        "account_id": tables.choice(company.account_ids, deals.account),
        "kind": tables.choice(KINDS, deals.kind),
        "stage": tables.choice(STAGES, deals.stage),
        "amount_arr": np.round(deals.amount, 2),
        "created_on": tables.dates(deals.created),
        "closed_on": tables.dates(deals.closed, deals.stage == OPEN),
        "competitor": tables.choice(COMPETITORS, rng.integers(0, len(COMPETITORS), size), ~rival),
        "loss_reason": tables.choice(LOSS_REASONS, reason, ~lost | (rng.random(size) < 0.08)),
    }
    return tables.table("opportunities", columns)


def _lead_time(rng: np.random.Generator, company: Company, account: Ints) -> Ints:
    median = np.log(np.array(CYCLE_DAYS))[company.tier[account]]
    return np.maximum(np.round(rng.lognormal(median, 0.4)), 2).astype(np.int64)


def _won(rng: np.random.Generator, company: Company) -> Deals:
    """Each start, growth and renewal of a paid subscription has a won deal of its size, a few days before."""
    rows = company.subscriptions
    mine = (rows.account < company.customers) & (rows.mrr > 0)
    wanted = np.flatnonzero(mine & np.isin(rows.kind, (START, EXPAND, SWAP, RENEW)))
    key = rows.account[wanted] * NEVER + rows.start[wanted]
    _, first = np.unique(key, return_index=True)
    picked = wanted[first]
    account, day = rows.account[picked], rows.start[picked]
    before, after = mrr_on(rows, account, day - 1), mrr_on(rows, account, day)
    kind = np.where(before <= 0, NEW, np.where(rows.kind[picked] == RENEW, RENEWAL, EXPANSION))
    amount = 12 * np.where(kind == EXPANSION, after - before, after)
    closed = day - rng.integers(0, 8, len(picked))
    created = closed - _lead_time(rng, company, account)
    return Deals(account, kind, np.full(len(picked), WON), amount, created, closed)


def _lost_renewals(rng: np.random.Generator, company: Company) -> Deals:
    account = np.flatnonzero((company.last_paid < NEVER) & (company.last_paid > 0))
    account = account[(company.contracts.term_months[account] > 1)]
    day = company.last_paid[account]
    amount = 12 * mrr_on(company.subscriptions, account, day - 1)
    closed = day - rng.integers(0, 20, len(account))
    created = closed - _lead_time(rng, company, account)
    return Deals(account, np.full(len(account), RENEWAL), np.full(len(account), LOST), amount, created, closed)


def _lost(rng: np.random.Generator, company: Company) -> Deals:
    """Expansion attempts that failed; attempts follow growth."""
    months = company.timeline.months
    rate = 0.02 * np.exp(0.4 * company.latents.growth[:, :months]) * (company.mrr > 0)
    deals = happenings(company, rng, rate, weekends=0.0)
    amount = 12 * company.mrr[deals.account, deals.month] * rng.uniform(0.05, 0.4, len(deals))
    created = np.maximum(deals.day - _lead_time(rng, company, deals.account), company.first_paid[deals.account])
    size = len(deals)
    return Deals(deals.account, np.full(size, EXPANSION), np.full(size, LOST), amount, created, deals.day)


def _open(rng: np.random.Generator, company: Company) -> Deals:
    """The pipeline at the end: expansions by growth, renewals that come near, new business of prospects."""
    last, latest = company.timeline.last_day, company.timeline.months - 1
    growth = company.latents.growth[:, latest]
    chance = np.minimum(
        np.array([0.5, 0.35, 0.15, 0.04])[company.tier[: company.customers]] * np.exp(0.4 * growth), 0.9
    )
    expanding = np.flatnonzero(company.live & (rng.random(company.customers) < chance))
    size = 12 * company.mrr[expanding, latest] * rng.uniform(0.08, 0.5, len(expanding))
    rows = company.subscriptions
    due = (rows.line == 0) & (rows.end == NEVER) & (rows.term_end < last + 90) & (rows.account < company.customers)
    renewing = np.unique(rows.account[due & (rows.mrr > 0)])
    prospects = np.arange(company.customers + len(company.merged), company.all_accounts)
    fresh = np.array([250_000, 60_000, 18_000, 7_000])[company.tier[prospects]] * rng.lognormal(
        0, 0.4, len(prospects)
    )
    account = np.concatenate([expanding, renewing, prospects])
    kind = np.repeat([EXPANSION, RENEWAL, NEW], [len(expanding), len(renewing), len(prospects)])
    amount = np.concatenate([size, 12 * company.mrr[renewing, latest], fresh])
    created = last - np.minimum(rng.integers(0, 120, len(account)), company.timeline.days - 1)
    return Deals(account, kind, np.full(len(account), OPEN), amount, created, np.full(len(account), NEVER))


def leads(company: Company) -> pa.Table:
    """Companies that asked, almost one a year for each live account."""
    rng = company.stream("leads")
    timeline = company.timeline
    size = int(rng.poisson(company.live.sum() * 0.9 * timeline.days / 365)) + 3
    day = np.sort(timeline.first_day + rng.integers(0, timeline.days, size))
    employees = np.maximum(np.round(rng.lognormal(np.log(120), 1.5, size)), 1).astype(np.int64)
    revenue = np.round(employees * rng.lognormal(np.log(180_000), 0.5, size), -4)
    columns = {
        "lead_id": tables.ids("L", np.arange(1, size + 1), 6),
        "company": pa.array([f"Prospect {number}" for number in range(1, size + 1)]),
        "employees": tables.values(employees, rng.random(size) < 0.12),
        "annual_revenue": tables.values(revenue, rng.random(size) < 0.3),
        "industry": tables.choice(INDUSTRY_NAMES, rng.choice(8, size, p=INDUSTRY_SHARE), rng.random(size) < 0.1),
        "country": tables.choice(COUNTRIES, rng.choice(10, size, p=COUNTRY_SHARE), rng.random(size) < 0.05),
        "use_case": tables.choice(USE_CASES, rng.integers(0, len(USE_CASES), size), rng.random(size) < 0.25),
        "created_on": tables.dates(day),
    }
    return tables.table("leads", columns)


def gtm_spend(company: Company) -> pa.Table:
    """Spend per month and motion, a share of ARR."""
    rng = company.stream("gtm_spend")
    months = company.timeline.window_months
    arr = 12 * company.mrr.sum(axis=0)[months]
    share = np.array([motion[2] for motion in MOTIONS])
    noise = rng.lognormal(0, 0.06, (len(months), len(MOTIONS)))
    amount = np.round(arr[:, None] * SPEND_SHARE / 12 * share[None, :] * noise, 2)
    code = np.tile(np.arange(len(MOTIONS)), len(months))
    segments = [motion[1] or "" for motion in MOTIONS]
    columns = {
        "month": tables.dates(np.repeat(company.timeline.month_starts[months], len(MOTIONS))),
        "motion": tables.choice([motion[0] for motion in MOTIONS], code),
        "segment": tables.choice(segments, code, np.array([not segment for segment in segments])[code]),
        "amount": amount.ravel(),
        "currency": tables.choice(("USD",), np.zeros(len(code))),
    }
    return tables.table("gtm_spend", columns)
