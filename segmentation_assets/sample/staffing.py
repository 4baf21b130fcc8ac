"""Hours that people spend: CSM time entries and custom development.

Belongs here: who worked for whom, when, how long. Not here: the roster itself (a CRM drop).
"""

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company
from segmentation_assets.sample.crm import Firmographics, Roster, account_csm
from segmentation_assets.sample.timeline import NEVER, Bools, Ints
from segmentation_assets.sample.touchpoints import happenings
from segmentation_assets.sample.traits import ACTIVITIES, TRAITS

ENTRIES_A_DAY = 4
INTERNAL_SHARE = 0.20
_CUSTOMER_ACTIVITIES = (0.14, 0.40, 0.16, 0.10, 0.20)


def csm_time_entries(company: Company, facts: Firmographics, roster: Roster) -> pa.Table:
    """Four entries a working day per CSM; customers of the CSM's own portfolio, by tier-like weight."""
    rng = company.stream("csm_time_entries")
    csm, day, account = _worked(rng, company, facts, roster)
    internal = (account < 0) | (rng.random(len(csm)) < INTERNAL_SHARE)
    size = len(csm)
    hours = np.round(np.clip(rng.gamma(5.0, 0.31, size), 0.25, 6.0) * 4) / 4
    held = np.maximum(account, 0)
    young = ~internal & (day - company.first_paid[held] < 90) & (rng.random(size) < 0.6)
    activity = np.where(internal, rng.choice([5, 6], size), rng.choice(5, size, p=_CUSTOMER_ACTIVITIES))
    activity = np.where(young, 0, activity)
    columns = {
        "entry_id": tables.ids("E", np.arange(1, size + 1), 7),
        "csm_id": tables.choice(roster.ids, csm),
        "account_id": tables.choice(company.account_ids, held, internal),
        "worked_on": tables.dates(day),
        "hours": hours,
        "activity": tables.choice(ACTIVITIES, activity),
    }
    return tables.table("csm_time_entries", columns)


def _worked(
    rng: np.random.Generator, company: Company, facts: Firmographics, roster: Roster
) -> tuple[Ints, Ints, Ints]:
    """(CSM, day, account or -1) of each entry, month by month, so that portfolios follow the CRM."""
    timeline = company.timeline
    parts: list[tuple[Ints, Ints, Ints]] = []
    for month in timeline.window_months:
        first = max(int(timeline.month_starts[month]), timeline.first_day)
        last = min(int(timeline.month_ends[month]), timeline.last_day)
        days = np.arange(first, last + 1)
        days = days[(days + 3) % 7 < 5]
        csm, day = (grid.ravel() for grid in np.meshgrid(np.arange(len(roster.slot)), days, indexing="ij"))
        there = (roster.starts[csm] <= day) & (day < roster.ends[csm]) & (rng.random(len(day)) > 0.08)
        csm, day = np.repeat(csm[there], ENTRIES_A_DAY), np.repeat(day[there], ENTRIES_A_DAY)
        parts.append((csm, day, _accounts(rng, company, account_csm(company, facts, roster, last), csm, day)))
    csm, day, account = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((csm, day))
    return csm[order], day[order], account[order]


def _accounts(rng: np.random.Generator, company: Company, owner: Ints, csm: Ints, day: Ints) -> Ints:
    """An account of each entry's CSM, drawn by weight; -1 where there is none, or it is no customer that day."""
    current = (company.first_paid <= day.max(initial=0)) & (company.last_paid > day.min(initial=NEVER))
    members = np.flatnonzero((owner >= 0) & current)
    members = members[np.argsort(owner[members], kind="stable")]
    if len(members) == 0:
        return np.full(len(csm), -1)
    weight = TRAITS.of("care_weight", company.tier[members]) * _trouble(company, members, day)
    total = np.concatenate([[0.0], np.cumsum(weight)])
    low = total[np.searchsorted(owner[members], csm, side="left")]
    high = total[np.searchsorted(owner[members], csm, side="right")]
    spot = np.searchsorted(total, low + rng.random(len(csm)) * (high - low), side="right") - 1
    account = members[np.minimum(spot, len(members) - 1)]
    fine: Bools = (high > low) & (company.first_paid[account] <= day) & (day < company.last_paid[account])
    return np.where(fine & (owner[account] == csm), account, -1)


def _trouble(company: Company, members: Ints, day: Ints) -> np.ndarray:
    """Accounts in poor health take somewhat more time."""
    if len(day) == 0:
        return np.ones(len(members))
    month = int(company.timeline.month_of(np.array([day[0]]))[0])
    return np.exp(-0.2 * company.latents.health[members, month])


def custom_development(company: Company) -> pa.Table:
    """Development hours for the large accounts."""
    rng = company.stream("custom_development")
    rate = np.array([0.35, 0.08, 0.01, 0.0])[company.tier[: company.customers]][:, None]
    work = happenings(company, rng, rate * (company.mrr > 0), weekends=0.0)
    columns = {
        "account_id": tables.choice(company.account_ids, work.account),
        "worked_on": tables.dates(work.day),
        "ticket": tables.ids("DEV-", np.arange(1, len(work) + 1), 5),
        "hours": np.round(rng.gamma(2.0, 4.0, len(work)) + 0.5, 1),
    }
    return tables.table("custom_development", columns)
