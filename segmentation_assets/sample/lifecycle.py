"""Month by month, what happens to each account's subscriptions: start, renew, grow, shrink, swap, end, come back.

Belongs here: the chances and the events. Not here: prices in a currency, rows of an extract.
"""

from dataclasses import dataclass, field

import numpy as np

from segmentation_assets.sample.latents import Latents
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints, Timeline
from segmentation_assets.sample.traits import (
    ADD_ONS,
    LINES,
    PLATFORM,
    SECOND_REGION,
    TRAITS,
    TRIAL_LINE,
    TRIAL_PLAN,
)

START, RENEW, EXPAND, CONTRACT, SWAP, TRIAL, END = range(7)
MAX_CONTRACT_DAY = 28
ADD_ON_SHARE = (0.15, 0.35)  # of the platform's price
REGION_SHARE = (0.25, 0.50)
REACTIVATION_RATE, REACTIVATION_MONTHS = 0.012, 9
LATE_RENEWAL_SHARE = 0.012
SWAP_SHARE = 0.25  # of expansions are a move to the next plan
TRIAL_DAYS = 30


@dataclass(frozen=True)
class Events:
    """One change of one subscription line; `mrr` and `seats` are multiples of the account's first ones."""

    account: Ints
    line: Ints
    day: Ints
    kind: Ints
    mrr: Floats
    seats: Floats
    plan: Ints
    term_months: Ints
    fresh: Bools  # a new subscription id

    def take(self, rows: np.ndarray) -> "Events":
        """Events of the given rows."""
        return Events(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True)
class Contracts:
    """Fixed terms of each account of the pool."""

    tier: Ints
    start_month: Ints
    contract_day: Ints  # of the month, 1 to 28
    term_months: Ints  # 1: from month to month


@dataclass(frozen=True)
class History:
    """What became of the pool, and the chances it faced."""

    events: Events
    hazard: Floats  # account × month: chance that it churns in that month, if live


@dataclass
class _State:
    """What the simulation knows of each account as the months go by."""

    rng: np.random.Generator
    timeline: Timeline
    contracts: Contracts
    latents: Latents
    live: Bools
    since: Ints  # month of the last start
    ended: Ints  # month of the last end
    plan: Ints
    mrr: Floats  # account × line, 0 where not subscribed
    seats: Floats
    log: list[Events] = field(default_factory=list)


def draw_contracts(rng: np.random.Generator, tier: Ints, timeline: Timeline) -> Contracts:
    """When each account of the pool first comes, and on which terms."""
    size = len(tier)
    shares = np.array([0.27, 0.19, 0.18, 0.18, 0.18])
    year = rng.choice(len(shares), size, p=shares)
    step = (timeline.months - 1) // len(shares)
    start = np.minimum(year * step + rng.integers(0, step, size) + 1, timeline.months - 1)
    start = np.where(rng.random(size) < 0.04, 0, start)
    monthly = rng.random(size) < TRAITS.of("monthly_contract_share", tier)
    long = rng.random(size) < 0.08
    term = np.where(monthly, 1, np.where(long, 24, 12))
    day = rng.integers(1, MAX_CONTRACT_DAY + 1, size)
    last = timeline.end.day
    day = np.where(start == timeline.months - 1, np.minimum(day, last), day)
    return Contracts(tier, start, day, term)


def churn_chance(latents: Latents, contracts: Contracts) -> tuple[Floats, Floats]:
    """(at a renewal, in any other month), account × month: it follows the health of the two months before."""
    before = np.concatenate([latents.health[:, :1], latents.health[:, :-1]], axis=1)
    earlier = np.concatenate([before[:, :1], before[:, :-1]], axis=1)
    health = (before + earlier) / 2
    level = TRAITS.of("renewal_churn_logit", contracts.tier)[:, None]
    logit = level - 1.35 * health - 0.3 * latents.champion - 0.35 * latents.fit
    monthly = (contracts.term_months == 1)[:, None]
    at_renewal = 1 / (1 + np.exp(-np.where(monthly, logit - 2.3, logit)))
    between = np.where(monthly, 0.0, np.minimum(0.0008 * np.exp(-1.1 * health), 0.05))
    return at_renewal, between


def simulate(rng: np.random.Generator, timeline: Timeline, latents: Latents, contracts: Contracts) -> History:
    """Play all months, the future ones included; events come ordered by account, line and day."""
    size = len(contracts.tier)
    state = _State(
        rng=rng,
        timeline=timeline,
        contracts=contracts,
        latents=latents,
        live=np.zeros(size, bool),
        since=np.zeros(size, np.int64),
        ended=np.full(size, NEVER),
        plan=np.clip(3 - contracts.tier - (rng.random(size) < 0.25), 0, 3),
        mrr=np.zeros((size, LINES)),
        seats=np.zeros((size, LINES)),
    )
    renewal_chance, other_chance = churn_chance(latents, contracts)
    hazard = np.zeros((size, timeline.simulated))
    for month in range(timeline.simulated):
        renewing = _on_anniversary(state, month)
        due = state.live & renewing
        chance = np.where(renewing, renewal_chance[:, month], other_chance[:, month])
        old = state.live & (state.since < month)
        hazard[:, month] = np.where(state.since < month, chance, 0.0)
        lost = old & (rng.random(size) < chance)
        _grow(state, month, old & ~lost, due)
        _end(state, month, lost, due)
        _start(state, month)
    events = _joined(state.log)
    order = np.lexsort((events.day, events.line, events.account))
    return History(events.take(order), hazard)


def _on_anniversary(state: _State, month: int) -> Bools:
    """A whole number of terms after the last start, of accounts that left since, too."""
    age = month - state.since
    return (age > 0) & (age % state.contracts.term_months == 0)


def _record(
    state: _State, accounts: Ints, line: int, day: Ints, kind: np.ndarray | int, *, fresh: np.ndarray | bool
) -> None:
    size = len(accounts)
    if size == 0:
        return
    plan = np.full(size, TRIAL_PLAN) if isinstance(kind, int) and kind == TRIAL else state.plan[accounts]
    state.log.append(
        Events(
            account=accounts,
            line=np.full(size, line),
            day=day,
            kind=np.broadcast_to(np.asarray(kind, np.int64), size),
            mrr=state.mrr[accounts, line].copy(),
            seats=state.seats[accounts, line].copy(),
            plan=plan,
            term_months=state.contracts.term_months[accounts],
            fresh=np.broadcast_to(np.asarray(fresh, bool), size),
        )
    )


def _joined(log: list[Events]) -> Events:
    names = Events.__dataclass_fields__
    return Events(*(np.concatenate([getattr(part, name) for part in log]) for name in names))


def _random_days(state: _State, month: int, size: int) -> Ints:
    return state.timeline.month_starts[month] + state.rng.integers(0, MAX_CONTRACT_DAY, size)


def _contract_days(state: _State, month: int, accounts: Ints) -> Ints:
    return state.timeline.month_starts[month] + state.contracts.contract_day[accounts] - 1


def _start(state: _State, month: int) -> None:
    size = len(state.contracts.tier)
    recent = (state.ended < month) & (month - state.ended <= REACTIVATION_MONTHS) & ~state.live
    back = np.flatnonzero(recent & (state.rng.random(size) < REACTIVATION_RATE))
    first = np.flatnonzero(state.contracts.start_month == month)
    state.seats[back, PLATFORM] = state.mrr[back, PLATFORM] = state.rng.uniform(0.6, 1.0, len(back))
    state.mrr[first, PLATFORM] = state.seats[first, PLATFORM] = 1.0
    days = _contract_days(state, month, first)
    _trial_before(state, first, days)
    _record(state, first, PLATFORM, days, START, fresh=True)
    _record(state, back, PLATFORM, _contract_days(state, month, back), START, fresh=True)
    _extras_at_start(state, first, days)
    begun = np.concatenate([first, back])
    state.live[begun] = True
    state.since[begun] = month
    state.ended[begun] = NEVER


def _trial_before(state: _State, accounts: Ints, days: Ints) -> None:
    """Some begin with a trial, which the paid subscription follows on the day it ends."""
    tried = state.rng.random(len(accounts)) < 0.3
    length = state.rng.choice([14, TRIAL_DAYS], len(accounts))
    chosen, begin = accounts[tried], (days - length)[tried]
    mrr = state.mrr[chosen, PLATFORM].copy()
    state.mrr[chosen, PLATFORM] = 0.0
    _record(state, chosen, PLATFORM, begin, TRIAL, fresh=True)
    state.mrr[chosen, PLATFORM] = mrr


def _extras_at_start(state: _State, accounts: Ints, days: Ints) -> None:
    tier = state.contracts.tier[accounts]
    for line in (*ADD_ONS, SECOND_REGION):
        rate = TRAITS.of("second_region_share" if line == SECOND_REGION else "add_ons_at_start", tier)
        share = state.rng.uniform(*(REGION_SHARE if line == SECOND_REGION else ADD_ON_SHARE), len(accounts))
        taken = state.rng.random(len(accounts)) < rate
        chosen = accounts[taken]
        state.mrr[chosen, line] = share[taken]
        state.seats[chosen, line] = share[taken] if line == SECOND_REGION else 0.0
        _record(state, chosen, line, days[taken], START, fresh=True)


def _end(state: _State, month: int, lost: Bools, due: Bools) -> None:
    accounts = np.flatnonzero(lost)
    days = np.where(
        due[accounts],
        _contract_days(state, month, accounts),
        _random_days(state, month, len(accounts)),
    )
    for line in range(TRIAL_LINE):
        held = state.mrr[accounts, line] > 0
        _record(state, accounts[held], line, days[held], END, fresh=False)
    state.mrr[accounts] = state.seats[accounts] = 0.0
    state.live[accounts] = False
    state.ended[accounts] = month


def _grow(state: _State, month: int, kept: Bools, due: Bools) -> None:
    """Renewals and changes of the platform line, then add-ons and the second region."""
    size = len(kept)
    tier, growth, health = (
        state.contracts.tier,
        state.latents.growth[:, month],
        state.latents.health[:, month],
    )
    rate = TRAITS.of("expansion_rate", tier) * np.exp(0.65 * growth + 0.45 * health - 0.3)
    expand = kept & (state.rng.random(size) < np.minimum(rate, 0.4))
    shrink_rate = TRAITS.of("contraction_rate", tier) * np.exp(-0.8 * health - 0.4 * growth)
    shrink = kept & ~expand & (state.rng.random(size) < np.minimum(shrink_rate, 0.2))
    swap = expand & (state.rng.random(size) < SWAP_SHARE) & (state.plan < 3)
    up = 1 + np.minimum(state.rng.lognormal(np.log(0.14), 0.6, size), 0.8)
    down = state.rng.uniform(0.60, 0.92, size)
    raised = due & kept & (state.contracts.term_months > 1) & (state.rng.random(size) < 0.6)
    price = np.where(raised, state.rng.uniform(1.01, 1.04, size), 1.0)
    factor = np.where(expand, up, np.where(shrink, down, 1.0))
    state.mrr[:, PLATFORM] *= factor * price
    state.seats[:, PLATFORM] *= np.where(swap, 1.0, factor)
    state.plan[swap] += 1
    renewed = kept & due & (state.contracts.term_months > 1)
    kind = np.select([swap, expand, shrink], [SWAP, EXPAND, CONTRACT], RENEW)
    fresh = swap & (state.rng.random(size) < 0.5)
    _change_platform(state, month, renewed | expand | shrink, due, kind, fresh=fresh)
    _renew_extras(state, month, renewed, price, health)
    _add_extras(state, month, kept & ~due, growth)


def _change_platform(state: _State, month: int, changed: Bools, due: Bools, kind: Ints, *, fresh: Bools) -> None:
    accounts = np.flatnonzero(changed)
    on_contract = _contract_days(state, month, accounts)
    days = np.where(due[accounts], on_contract, _random_days(state, month, len(accounts)))
    gap = state.rng.integers(2, 10, len(accounts))
    late = (
        due[accounts]
        & (state.contracts.term_months[accounts] > 1)
        & (state.rng.random(len(accounts)) < LATE_RENEWAL_SHARE)
    )
    late &= state.contracts.contract_day[accounts] + gap <= MAX_CONTRACT_DAY
    _record(state, accounts[late], PLATFORM, days[late], END, fresh=False)
    days = days + np.where(late, gap, 0)
    _record(state, accounts, PLATFORM, days, kind[accounts], fresh=fresh[accounts] | late)


def _renew_extras(state: _State, month: int, renewed: Bools, price: Floats, health: Floats) -> None:
    """The other lines renew with the platform; a few are dropped then."""
    for line in (*ADD_ONS, SECOND_REGION):
        accounts = np.flatnonzero(renewed & (state.mrr[:, line] > 0))
        dropped = state.rng.random(len(accounts)) < np.minimum(0.04 * np.exp(-0.6 * health[accounts]), 0.5)
        days = _contract_days(state, month, accounts)
        state.mrr[accounts, line] *= price[accounts]
        _record(state, accounts[~dropped], line, days[~dropped], RENEW, fresh=False)
        _record(state, accounts[dropped], line, days[dropped], END, fresh=False)
        state.mrr[accounts[dropped], line] = state.seats[accounts[dropped], line] = 0.0


def _add_extras(state: _State, month: int, kept: Bools, growth: Floats) -> None:
    size = len(kept)
    for line in ADD_ONS:
        rate = TRAITS.of("add_on_rate", state.contracts.tier) * np.exp(0.6 * growth - 0.2)
        added = kept & (state.mrr[:, line] == 0) & (state.rng.random(size) < rate)
        accounts = np.flatnonzero(added)
        state.mrr[accounts, line] = state.mrr[accounts, PLATFORM] * state.rng.uniform(*ADD_ON_SHARE, len(accounts))
        days = _random_days(state, month, len(accounts))
        _record(state, accounts, line, days, START, fresh=True)
    _try_out(state, month, kept)


def _try_out(state: _State, month: int, kept: Bools) -> None:
    """Trials of an add-on that come to nothing; in months apart, so that two never overlap."""
    trying = kept & (state.rng.random(len(kept)) < 0.006) & ((month + np.arange(len(kept))) % 3 == 0)
    accounts = np.flatnonzero(trying)
    days = _random_days(state, month, len(accounts))
    _record(state, accounts, TRIAL_LINE, days, TRIAL, fresh=True)
    _record(state, accounts, TRIAL_LINE, days + TRIAL_DAYS, END, fresh=False)
