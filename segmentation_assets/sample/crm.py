"""Slowly changing extracts, as dated full drops: CRM accounts, the CSM roster, product features.

Belongs here: what each drop says on its day. Not here: anything that happens between two drops.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints
from segmentation_assets.sample.traits import (
    BUSINESS_MODEL_SHARE,
    BUSINESS_MODELS,
    COUNTRIES,
    DECISION_PROCESSES,
    FEATURES,
    FIRST_NAMES,
    FUNDING_STAGES,
    INDUSTRIES,
    INDUSTRY_FIT,
    INDUSTRY_NAMES,
    INDUSTRY_SHARE,
    INTEGRATION_NEEDS,
    LAST_NAMES,
    MATURITIES,
    NAME_HEADS,
    NAME_KINDS,
    NAME_TAILS,
    REGIONS,
    TIERS,
    TRAITS,
    USE_CASE_SHARE,
    USE_CASES,
)

CSM_LEAVING_RATE = 0.010  # per month
REASSIGNED_SHARE = 0.12  # accounts that change CSM once in the window
NOTICE_DAYS = 30


@dataclass(frozen=True)
class Roster:
    """CSMs that ever held a slot, in the order of slot and time."""

    ids: pa.Array
    slot: Ints
    starts: Ints
    ends: Ints  # NEVER while employed
    senior: Bools

    def holder(self, slot: Ints, day: int) -> Ints:
        """Row of who holds each slot on the day; -1 for no slot or nobody."""
        present = np.flatnonzero((self.starts <= day) & (day < self.ends))
        by_slot = np.full(int(self.slot.max(initial=0)) + 2, -1)
        by_slot[self.slot[present]] = present
        return np.where(slot >= 0, by_slot[slot], -1)


@dataclass(frozen=True)
class Firmographics:
    """What the CRM knows of every account and does not change, or changes along a path."""

    industry: Ints
    employees: Ints
    created: Ints
    cycle_days: Ints
    parent: Ints
    funding: Ints
    moved_on: Ints  # day the CSM changes, NEVER for most
    next_slot: Ints


_FIRST_RECORD = 9_100_000_000
"""Record ids of the CRM are numbers of its own."""


def draw_roster(company: Company) -> Roster:
    """Who holds each CSM slot, and when; who leaves is followed by another."""
    rng = company.stream("csm_roster")
    timeline = company.timeline
    slots, starts, ends = [], [], []
    for slot in range(company.slots):
        start = timeline.first_day - int(rng.integers(60, 1_200))
        while start <= timeline.last_day:
            stay = int(rng.exponential(30.4 / CSM_LEAVING_RATE)) + 120
            end = max(start + stay, timeline.first_day + 30)
            slots.append(slot)
            starts.append(start)
            ends.append(end if end <= timeline.last_day + NOTICE_DAYS else NEVER)
            start = end + int(rng.integers(0, 20))
    size = len(slots)
    slot_of = np.array(slots)
    senior = (slot_of < round(3 / 8 * company.slots)) | (rng.random(size) < 0.25) | (slot_of == 0)
    return Roster(tables.ids("C", np.arange(1, size + 1), 3), slot_of, np.array(starts), np.array(ends), senior)


def draw_firmographics(company: Company) -> Firmographics:
    """Size, industry, family and origin of every account."""
    rng = company.stream("crm_accounts")
    size = company.all_accounts
    tier = company.tier
    seats = np.zeros(size)
    seats[: company.customers] = company.seats.max(axis=1)
    fit = np.zeros(size)
    fit[: company.customers] = company.latents.fit[:, company.timeline.months - 1]
    weights = np.log(INDUSTRY_SHARE)[None, :] + 0.8 * fit[:, None] * np.array(INDUSTRY_FIT)[None, :]
    industry = np.argmax(weights + rng.gumbel(size=weights.shape), axis=1)
    median = TRAITS.of("employees_median", tier)
    employees = median * np.exp(0.45 * rng.standard_normal(size))
    employees = np.maximum(employees, seats / 0.4 * rng.uniform(1.05, 2.5, size)).astype(np.int64) + 3
    cycle = np.round(rng.lognormal(np.log(np.array([140, 80, 40, 18]))[tier], 0.35)).astype(np.int64)
    first = company.timeline.last_day - rng.integers(5, 300, size)
    first[: company.customers] = company.first_paid
    for source, target, _ in company.merged:
        first[source] = first[target]
    slot = company.csm_slot
    moved = rng.random(company.customers) < REASSIGNED_SHARE
    when = company.timeline.first_day + rng.integers(1, company.timeline.days + 1, company.customers)
    return Firmographics(
        industry=industry,
        employees=employees,
        created=first - cycle - rng.integers(1, 30, size),
        cycle_days=cycle,
        parent=_parents(rng, company, size),
        funding=np.clip(np.round(rng.normal(np.array([4.2, 2.9, 1.6, 0.6])[tier], 1.0)), 0, 5).astype(np.int64),
        moved_on=np.where(moved & (slot >= 0), when, NEVER),
        next_slot=np.where(slot >= 0, (slot + 1) % company.slots, -1),
    )


def _parents(rng: np.random.Generator, company: Company, size: int) -> Ints:
    """Some Growth and Core accounts belong to a Strategic one; nobody is both parent and subsidiary."""
    parent = np.full(size, -1)
    owners = np.flatnonzero((company.tier[: company.customers] == 0) & company.live)
    if len(owners) == 0:
        return parent
    group = (rng.random(size) < 0.06) & (company.tier >= 1) & (np.arange(size) < company.customers)
    parent[group] = rng.choice(owners[: max(1, len(owners) // 3)], int(group.sum()))
    return parent


def account_csm(company: Company, facts: Firmographics, roster: Roster, day: int) -> Ints:
    """Roster row of each customer's CSM on the day, -1 for nobody."""
    slot = np.where(facts.moved_on <= day, facts.next_slot, company.csm_slot)
    return roster.holder(slot, day)


def _names(size: int) -> list[str]:
    """Made-up company names, each once."""
    names = []
    heads, tails, kinds = len(NAME_HEADS), len(NAME_TAILS), len(NAME_KINDS)
    for number in range(size):
        step = number * 7_919 % (heads * tails * kinds)
        cycle = number // (heads * tails * kinds)
        head, tail, kind = step % heads, step // heads % tails, step // (heads * tails)
        names.append(f"{NAME_HEADS[head]}{NAME_TAILS[tail]} {NAME_KINDS[kind]}{f' {cycle + 1}' if cycle else ''}")
    return names


def _employees_on(company: Company, facts: Firmographics, day: int) -> Ints:
    """Head counts follow the growth of each customer, month by month."""
    month = int(company.timeline.month_of(np.array([day]))[0])
    last = company.timeline.months - 1
    drift = company.latents.growth[:, month:last].sum(axis=1) * 0.006
    employees = facts.employees.astype(np.float64)
    employees[: company.customers] *= np.exp(-drift)
    return np.maximum(np.round(employees), 1).astype(np.int64)


@dataclass(frozen=True)
class AccountTexts:
    """Columns of CRM accounts that stay as they are from drop to drop."""

    columns: dict[str, pa.Array]
    revenue_per_head: Floats
    no_employees: Bools
    no_revenue: Bools
    no_funding: Bools
    funded_on: Ints


def draw_account_texts(company: Company, facts: Firmographics) -> AccountTexts:
    """The columns that no later drop changes, with their gaps."""
    rng = company.stream("crm_account_texts")
    size, tier = company.all_accounts, company.tier

    def missing(share: float) -> Bools:
        return rng.random(size) < share

    names = _names(size)
    industry = facts.industry
    subs = [sub for name in INDUSTRY_NAMES for sub in INDUSTRIES[name]]
    people = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    sellers = rng.choice(len(people), max(2, company.all_accounts // 40), replace=len(people) < size // 40)
    lead = rng.random(size)
    columns = {
        "account_id": company.account_ids,
        "account_name": pa.array(names),
        "domain": tables.values(np.array([f"{n.lower().replace(' ', '-')}.example" for n in names]), missing(0.05)),
        "industry": tables.choice(INDUSTRY_NAMES, industry, missing(0.05)),
        "sub_industry": tables.choice(subs, industry * 3 + rng.integers(0, 3, size), missing(0.12)),
        "country": tables.choice(COUNTRIES, company.country),
        "business_model": tables.choice(
            BUSINESS_MODELS, rng.choice(len(BUSINESS_MODELS), size, p=BUSINESS_MODEL_SHARE), missing(0.07)
        ),
        "account_executive": tables.choice(people, sellers[rng.integers(0, len(sellers), size)], missing(0.05)),
        "executive_sponsor": tables.choice(
            people, rng.integers(0, len(people), size), lead > np.array([0.8, 0.4, 0.1, 0.02])[tier]
        ),
        "primary_use_case": tables.choice(USE_CASES, _use_cases(rng, tier), missing(0.08)),
        "maturity": tables.choice(MATURITIES, (rng.random(size) < 0.55).astype(np.int64), missing(0.10)),
        "decision_process": tables.choice(DECISION_PROCESSES, _graded(rng, tier, 0.5), missing(0.12)),
        "integration_need": tables.choice(INTEGRATION_NEEDS, _graded(rng, tier, 0.8), missing(0.10)),
        "buying_cycle_days": tables.values(facts.cycle_days, missing(0.10)),
        "is_reference": _references(rng, company),
        "has_strategic_influence": tables.values(rng.random(size) < np.array([0.2, 0.06, 0.02, 0.0])[tier]),
        "created_on": tables.dates(facts.created),
        "parent_account_id": tables.choice(company.account_ids, np.maximum(facts.parent, 0), facts.parent < 0),
    }
    return AccountTexts(
        columns=columns,
        revenue_per_head=np.round(rng.lognormal(np.log(180_000), 0.4, size), -3),
        no_employees=missing(0.06),
        no_revenue=missing(0.12),
        no_funding=missing(0.10),
        funded_on=np.where(rng.random(size) < 0.15, company.timeline.first_day + rng.integers(0, 900, size), NEVER),
    )


def _use_cases(rng: np.random.Generator, tier: Ints) -> Ints:
    """Platform standardisation is a matter of the large."""
    codes = rng.choice(len(USE_CASES), len(tier), p=USE_CASE_SHARE)
    platform = rng.random(len(tier)) < np.array([0.5, 0.15, 0.02, 0.0])[tier]
    return np.where(platform, len(USE_CASES) - 1, codes)


def _graded(rng: np.random.Generator, tier: Ints, slope: float) -> Ints:
    """0, 1 or 2, higher for higher tiers."""
    level = 1.4 - slope * (tier - 0.5) + 0.7 * rng.standard_normal(len(tier))
    return np.clip(np.round(level), 0, 2).astype(np.int64)


def _references(rng: np.random.Generator, company: Company) -> pa.Array:
    happy = np.zeros(company.all_accounts)
    happy[: company.customers] = company.latents.health[:, company.timeline.months - 1]
    return pa.array(rng.random(company.all_accounts) < 0.12 / (1 + np.exp(-2 * happy + 0.5)))


def crm_accounts(company: Company, facts: Firmographics, texts: AccountTexts, roster: Roster, day: int) -> pa.Table:
    """The CRM as of the close of `day`: accounts created by then, with what was true then."""
    size = company.all_accounts
    employees = _employees_on(company, facts, day)
    holder = np.full(size, -1)
    holder[: company.customers] = account_csm(company, facts, roster, day)
    funding = np.minimum(facts.funding + (texts.funded_on <= day), len(FUNDING_STAGES) - 1)
    merged = np.full(size, -1)
    for source, target, when in company.merged:
        if when <= day:
            merged[source] = target
    columns = {
        **texts.columns,
        "merged_into_account_id": tables.choice(company.account_ids, np.maximum(merged, 0), merged < 0),
        "employees": tables.values(employees, texts.no_employees),
        "annual_revenue": tables.values(np.round(employees * texts.revenue_per_head, 0), texts.no_revenue),
        "funding_stage": tables.choice(FUNDING_STAGES, funding, texts.no_funding),
        "csm_id": tables.choice(roster.ids, np.maximum(holder, 0), holder < 0),
        "crm_record_id": tables.ids("", _FIRST_RECORD + np.arange(size), 0),
    }
    return tables.table("crm_accounts", columns).filter(pa.array(facts.created <= day))


def csm_roster(company: Company, roster: Roster, day: int) -> pa.Table:
    """CSMs known on the day: who leaves is known a month ahead."""
    rng = company.stream("csm_roster_texts")
    size = len(roster.slot)
    teams = np.searchsorted(np.round(np.array([3, 6]) / 8 * company.slots), roster.slot, side="right")
    pairs = rng.integers(0, len(INDUSTRY_NAMES), (size, 3))
    skills = [",".join(sorted({INDUSTRY_NAMES[code] for code in row})) for row in pairs]
    names = [f"{FIRST_NAMES[a]} {LAST_NAMES[b]}" for a, b in rng.integers(0, 20, (size, 2))]
    cost = np.where(roster.senior, rng.integers(62, 75, size), rng.integers(42, 55, size)).astype(np.float64)
    weekly = np.where(rng.random(size) < 0.1, 32.0, 40.0)
    ends_told = roster.ends <= day + NOTICE_DAYS
    columns = {
        "csm_id": roster.ids,
        "csm_name": pa.array(names),
        "level": tables.choice(("associate", "senior"), roster.senior.astype(np.int64)),
        "team": tables.choice([name.lower() for name in TIERS], np.minimum(teams, 2)),
        "region": tables.choice(REGIONS, rng.choice(len(REGIONS), size, p=[0.55, 0.38, 0.07])),
        "industries": pa.array(skills),
        "weekly_hours": weekly,
        "hourly_cost": cost,
        "starts_on": tables.dates(roster.starts),
        "ends_on": tables.dates(roster.ends, ~ends_told),
    }
    return tables.table("csm_roster", columns).filter(pa.array(roster.starts <= day + NOTICE_DAYS))


def product_features(released: Ints, day: int) -> pa.Table:
    """Features released by the day."""
    columns = {
        "feature": pa.array([feature[0] for feature in FEATURES]),
        "product": pa.array([feature[1] for feature in FEATURES]),
        "level": pa.array([feature[2] for feature in FEATURES]),
        "is_key": pa.array([feature[3] for feature in FEATURES]),
    }
    return tables.table("product_features", columns).filter(pa.array(released <= day))
