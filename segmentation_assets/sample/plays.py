"""What the company does with its accounts, play by play: renewals, onboarding, care, interventions, growth.

Belongs here: which account gets a play when, and how late. The company does most plays within the time it promises
its tier, some late, and a few never. Not here: conversations without a play (`touchpoints`), or any effect of a play:
the sample has none, so whoever measures one there measures chance or choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmentation_assets.sample.company import Company
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints
from segmentation_assets.sample.traits import (
    ADOPTION_STEP,
    ONBOARDING_STEPS,
    PLATFORM,
    PLAYS,
    PUNCTUALITY,
    RENEWAL_STEPS,
    ROUTINES,
    Routine,
)
from segmentation_assets.sample.usage import expected_share

_Part = tuple[Ints, Ints, Ints]
"""Account, day and place in `PLAYS` of each play."""
_WEEK = 7
_MONDAY = 4
"""Days from 1970-01-01, a Thursday, to the first Monday."""
_CARRIED_OUT_BEFORE = 400
"""Routines begin this many days before the window, so that their rhythm has settled when it opens."""


@dataclass(frozen=True)
class Acts:
    """Plays that were done: account, day and place in `PLAYS` of each."""

    account: Ints
    day: Ints
    play: Ints

    def __len__(self) -> int:
        return len(self.account)


def draw_acts(company: Company) -> Acts:
    """All plays done in the window, while the account was a customer, ordered by day, account and play."""
    rng = company.stream("plays")
    parts = [*_renewals(rng, company), *_onboarding(rng, company)]
    parts += [_routine(rng, company, routine) for routine in ROUTINES]
    account, day, play = (np.concatenate(column) for column in zip(*parts, strict=True))
    day = _on_working_days(day)
    timeline = company.timeline
    inside = (day >= timeline.first_day) & (day <= timeline.last_day)
    inside &= (day >= company.first_paid[account]) & (day < company.last_paid[account])
    account, day, play = account[inside], day[inside], play[inside]
    order = np.lexsort((play, account, day))
    return Acts(account[order], day[order], play[order])


def _on_working_days(day: Ints) -> Ints:
    """The day itself, or the Monday after a weekend."""
    weekday = (day - _MONDAY) % _WEEK
    return day + np.where(weekday >= 5, _WEEK - weekday, 0)


def _lateness(rng: np.random.Generator, size: int, promised: Floats) -> Ints:
    """Days from the day on which each play opens to the day on which it is done; NEVER: it is missed.

    `promised` is in working days, so two in seven come on top. A promise of 0 days is automation's: the same day.
    """
    fate = rng.random(size)
    within = np.floor(rng.random(size) * (promised + 0.5)) * _WEEK / 5
    after = promised * _WEEK / 5 + 1 + rng.exponential(PUNCTUALITY.days_late, size)
    days = np.where(fate < PUNCTUALITY.in_time, within, after)
    is_missed = (fate >= PUNCTUALITY.in_time + PUNCTUALITY.late) & (promised > 0)
    return np.where(is_missed, NEVER, np.where(promised > 0, np.floor(days), 0)).astype(np.int64)


def _done(rng: np.random.Generator, account: Ints, opened: Ints, promised: Floats, play: str) -> _Part:
    day = opened + _lateness(rng, len(account), promised)
    return account, day, np.full(len(account), PLAYS.index(play))


def _renewals(rng: np.random.Generator, company: Company) -> list[_Part]:
    account, day = _renewal_days(company)
    tier = company.tier[account]
    parts = []
    for index, (steps, promised) in enumerate(RENEWAL_STEPS):
        mine = tier == index
        for ahead in steps:
            days = np.full(int(mine.sum()), promised)
            parts.append(_done(rng, account[mine], day[mine] - ahead, days, "renewal_outreach"))
    return parts


def _renewal_days(company: Company) -> tuple[Ints, Ints]:
    """Account and day of each renewal: the ends of terms; by the month, the years of the first payment."""
    rows, timeline = company.subscriptions, company.timeline
    terms = (rows.line == PLATFORM) & (rows.term_end < NEVER) & (rows.account < company.customers)
    pairs = np.unique(np.stack([rows.account[terms], rows.term_end[terms]]), axis=1)
    monthly = np.flatnonzero(company.contracts.term_months == 1)
    years = np.arange(1, timeline.months // 12 + 2)
    account = np.repeat(monthly, len(years))
    day = company.first_paid[account] + np.round(np.tile(years, len(monthly)) * 365.25).astype(np.int64)
    return np.concatenate([pairs[0], account]), np.concatenate([pairs[1], day])


def _onboarding(rng: np.random.Generator, company: Company) -> list[_Part]:
    tier = company.tier[: company.customers]
    parts = []
    for index, (steps, promised) in enumerate(ONBOARDING_STEPS):
        mine = np.flatnonzero(tier == index)
        days = np.full(len(mine), promised)
        parts += [_done(rng, mine, company.first_paid[mine] + step, days, "onboarding") for step in steps]
        if promised > 0:
            parts.append(_done(rng, mine, company.first_paid[mine] + ADOPTION_STEP, days, "adoption"))
    return parts


def _routine(rng: np.random.Generator, company: Company, routine: Routine) -> _Part:
    """A play that comes again and again while its condition holds, looked at each Monday."""
    timeline = company.timeline
    members = np.flatnonzero(np.isin(company.tier[: company.customers], routine.tiers))
    place = np.searchsorted(routine.tiers, company.tier[members])
    every, promised = np.array(routine.every_days)[place], np.array(routine.promised)[place]
    holds = _holds(company, routine.when)[members]
    start = company.first_paid[members]
    again = start + (every if routine.waits_a_turn else 0)
    accounts, days = [members[:0]], [start[:0]]
    first = timeline.first_day - _CARRIED_OUT_BEFORE
    for monday in range(first - (first - _MONDAY) % _WEEK, timeline.last_day + 1, _WEEK):
        month = int(timeline.month_of(np.array([monday]))[0])
        opens = (again < monday + _WEEK) & (start <= monday) & (monday < company.last_paid[members])
        due = np.flatnonzero(opens & holds[:, max(month, 0)])
        late = _lateness(rng, len(due), promised[due])
        opened = np.maximum(again[due], monday)
        is_done = late < NEVER
        done = _on_working_days(opened + np.where(is_done, late, 0))
        again[due] = np.where(is_done, done + every[due], opened + PUNCTUALITY.missed_days)
        accounts.append(members[due[is_done]])
        days.append(done[is_done])
    account = np.concatenate(accounts)
    return account, np.concatenate(days), np.full(len(account), PLAYS.index(routine.play))


def _holds(company: Company, when: str) -> Bools:
    """Customer × month: whether the account looks like this to the people who look after it."""
    months = company.timeline.months
    health, growth = company.latents.health[:, :months], company.latents.growth[:, :months]
    in_danger = (health < -0.4) | (expected_share(company)[:, :months] < 0.3)
    return {
        "always": np.ones(health.shape, bool),
        "in_danger": in_danger,
        "below_usual": (health < 0.15) | in_danger,
        "healthy": (health > 0.1) & ~in_danger,
        "growing": (growth > -0.2) & ~in_danger,
    }[when]
