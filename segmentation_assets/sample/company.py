"""The accounts of the sample: who they are, what tier they were planted in, how big they are.

Belongs here: drawing a pool, simulating it, keeping the accounts that make the wanted company.
Not here: extract rows.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample.latents import Latents, draw_latents
from segmentation_assets.sample.lifecycle import (
    END,
    START,
    TRIAL,
    Contracts,
    Events,
    draw_contracts,
    simulate,
)
from segmentation_assets.sample.tables import ids
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints, Timeline, stream
from segmentation_assets.sample.traits import (
    ACCOUNTS_PER_CSM,
    ADD_ONS,
    ARR_PER_ACCOUNT,
    COUNTRY_CURRENCY,
    COUNTRY_SHARE,
    PLATFORM,
    TIER_ARR,
    TIER_SHARE,
    TIERS,
    TRAITS,
)

PROSPECT_SHARE = 0.04
POOL = 3  # accounts drawn for each one wanted


@dataclass(frozen=True)
class Wish:
    """The company that is asked for: so many live accounts, with so many seats each, at the end."""

    timeline: Timeline
    accounts: int
    users_per_account: int


@dataclass(frozen=True)
class Subscriptions:
    """Rows of billing before they meet a currency: half-open `[start, end)`, `end` NEVER while open."""

    account: Ints
    line: Ints
    number: Ints  # of the subscription id
    start: Ints
    end: Ints
    end_known: Ints
    term_end: Ints
    kind: Ints
    plan: Ints
    seats: Ints
    mrr: Floats  # reporting currency

    def take(self, rows: np.ndarray) -> "Subscriptions":
        """Subscriptions of the given rows."""
        return Subscriptions(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True)
class Company:
    """Customers come first (`customers` of them, with latents), then merged accounts, then prospects."""

    seed: int
    timeline: Timeline
    customers: int
    account_ids: pa.Array
    tier: Ints
    country: Ints
    currency: Ints
    contracts: Contracts
    latents: Latents
    hazard: Floats
    first_paid: Ints
    last_paid: Ints  # the day the last subscription ends, NEVER while live
    subscriptions: Subscriptions
    merged: list[tuple[int, int, int]]  # account, the one it went into, day
    csm_slot: Ints  # -1: nobody
    csm_effect: Floats
    slots: int
    mrr: Floats  # customer × billed month, at its snapshot day
    seats: Ints

    def stream(self, *names: str | int) -> np.random.Generator:
        """The random stream of one part of the sample."""
        return stream(self.seed, *names)

    @property
    def live(self) -> Bools:
        """Customers that pay at the end of the window."""
        return self.last_paid > self.timeline.last_day

    @property
    def all_accounts(self) -> int:
        """Customers, merged accounts and prospects."""
        return len(self.account_ids)


def found_company(seed: int, wish: Wish) -> Company:
    """Simulate a pool and keep, tier by tier, the first accounts among which just enough are live at the end."""
    timeline, accounts = wish.timeline, wish.accounts
    rng = stream(seed, "accounts")
    wanted = _tier_counts(accounts)
    tier = np.repeat(np.arange(len(TIERS)), [POOL * n + 40 * (n > 0) for n in wanted])
    slots = max(1, round(accounts / ACCOUNTS_PER_CSM))
    slot, effects = _csm_slots(rng, tier, slots)
    effect = np.where(slot >= 0, effects[slot], 0.0)
    latents = draw_latents(rng, tier, timeline.simulated, effect)
    contracts = draw_contracts(rng, tier, timeline)
    history = simulate(rng, timeline, latents, contracts)
    first, last = _paid_span(history.events, len(tier), timeline)
    kept = _select(tier, wanted, last > timeline.last_day, first)
    events = _renumbered(history.events, kept, len(tier))
    contracts = Contracts(*(getattr(contracts, name)[kept] for name in contracts.__dataclass_fields__))
    first, last = first[kept], last[kept]
    sizes = _sizes(rng, events, contracts.tier, last > timeline.last_day, wish)
    rows = _rows(rng, events, sizes, timeline, contracts.contract_day)
    customers = len(kept)
    rows, merged = _merges(rng, rows, customers, wish)
    mrr, seats = _monthly(rows, customers, timeline)
    extra = len(merged) + round(PROSPECT_SHARE * accounts)
    country = rng.choice(len(COUNTRY_SHARE), customers + extra, p=COUNTRY_SHARE)
    for source, target, _ in merged:
        country[source] = country[target]
    return Company(
        seed=seed,
        timeline=timeline,
        customers=customers,
        account_ids=ids("A", np.arange(1, customers + extra + 1), max(5, len(str(customers + extra)))),
        tier=np.concatenate([contracts.tier, rng.choice(len(TIERS), extra, p=TIER_SHARE)]),
        country=country,
        currency=np.array(COUNTRY_CURRENCY)[country],
        contracts=contracts,
        latents=latents.take(kept),
        hazard=history.hazard[kept],
        first_paid=first,
        last_paid=last,
        subscriptions=rows,
        merged=merged,
        csm_slot=slot[kept],
        csm_effect=effect[kept],
        slots=slots,
        mrr=mrr,
        seats=seats,
    )


def _tier_counts(accounts: int) -> list[int]:
    """Whole accounts per tier, by largest remainder."""
    exact = np.array(TIER_SHARE) * accounts
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: accounts - counts.sum()]] += 1
    return counts.tolist()


def _csm_slots(rng: np.random.Generator, tier: Ints, slots: int) -> tuple[Ints, Floats]:
    """Of eight CSMs three serve Strategic, three Growth, two Core; nobody Long-Tail. Some are better."""
    cuts = np.round(np.array([0, 3, 6, 8]) / 8 * slots).astype(int)
    slot = np.full(len(tier), -1)
    for index in range(3):
        members = np.flatnonzero(tier == index)
        low, high = cuts[index], cuts[index + 1]
        if high == low:
            low, high = 0, slots
        slot[members] = rng.integers(low, high, len(members))
    return slot, np.clip(0.18 * rng.standard_normal(slots), -0.4, 0.4)


def _paid_span(events: Events, size: int, timeline: Timeline) -> tuple[Ints, Ints]:
    """First paid day, and the day the account last ends (NEVER while live) as seen at the end of the window."""
    platform = (events.line == PLATFORM) & (events.kind != TRIAL)
    first = np.full(size, NEVER)
    np.minimum.at(first, events.account[platform], events.day[platform])
    past = np.flatnonzero(platform & (events.day <= timeline.last_day))
    last = np.full(size, NEVER)
    final = np.append(events.account[past][1:] != events.account[past][:-1], True) if len(past) else np.zeros(0, bool)
    tail = past[final]
    ended = events.kind[tail] == END
    last[events.account[tail]] = np.where(ended, events.day[tail], NEVER)
    last[first > timeline.last_day] = 0
    return first, last


def _select(tier: Ints, wanted: list[int], live: Bools, first: Ints) -> Ints:
    """Kept pool members, ordered by their first paid day."""
    kept: list[Ints] = []
    for index, count in enumerate(wanted):
        members = np.flatnonzero(tier == index)
        reached = np.cumsum(live[members])
        kept.append(members[(reached < count) | ((reached == count) & live[members])] if count else members[:0])
    chosen = np.concatenate(kept)
    return chosen[np.argsort(first[chosen], kind="stable")]


def _renumbered(events: Events, kept: Ints, size: int) -> Events:
    position = np.full(size, -1)
    position[kept] = np.arange(len(kept))
    chosen = events.take(position[events.account] >= 0)
    renumbered = Events(**{**chosen.__dict__, "account": position[chosen.account]})
    return renumbered.take(np.lexsort((renumbered.day, renumbered.line, renumbered.account)))


def _next_days(events: Events) -> Ints:
    """Day of the next event of the same line; NEVER after the last."""
    following = np.append(events.day[1:], NEVER)
    same = (events.account[1:] == events.account[:-1]) & (events.line[1:] == events.line[:-1])
    return np.where(np.append(same, False), following, NEVER)


def _sizes(
    rng: np.random.Generator,
    events: Events,
    tier: Ints,
    live: Bools,
    wish: Wish,
) -> tuple[Floats, Floats]:
    """First MRR and seats of each account, so that tiers' ARR and mean seats at the end come out as wanted."""
    accounts, last_day = wish.accounts, wish.timeline.last_day
    spread = rng.standard_normal(len(tier))
    mrr = np.exp(TRAITS.of("arr_sigma", tier) * spread)
    mixed = 0.7 * spread + 0.7 * rng.standard_normal(len(tier))
    seats = TRAITS.of("seat_weight", tier) * np.exp(TRAITS.of("arr_sigma", tier) * mixed)
    held = (events.day <= last_day) & (_next_days(events) > last_day) & (events.kind != END)
    mrr_level = np.bincount(events.account[held], events.mrr[held], len(tier))
    seat_level = np.bincount(events.account[held], events.seats[held], len(tier))
    peak = np.full(len(tier), 1.0)
    np.maximum.at(peak, events.account, events.mrr)
    mrr /= np.sqrt(peak)
    target = np.array(TIER_ARR) / 12
    counts = np.bincount(tier[live], minlength=len(TIERS))
    target *= ARR_PER_ACCOUNT / 12 * accounts / (target * counts).sum()
    now = np.bincount(tier[live], (mrr * mrr_level)[live], len(TIERS))
    mrr *= np.where(now > 0, target * counts / np.where(now > 0, now, 1), 0)[tier]
    seats /= np.sqrt(peak)
    seats *= wish.users_per_account * accounts / (seats * seat_level)[live].sum()
    return mrr, seats


def _rows(
    rng: np.random.Generator,
    events: Events,
    sizes: tuple[Floats, Floats],
    timeline: Timeline,
    contract_day: Ints,
) -> Subscriptions:
    mrr, seats = sizes
    end = _next_days(events)
    closed_by_end = np.append(events.kind[1:] == END, False)
    end_known = end - np.round(60 * rng.beta(1.2, 1.8, len(events))).astype(np.int64)
    future = end > timeline.last_day
    is_announced = closed_by_end & (end_known <= timeline.last_day) & (events.kind != TRIAL)
    end = np.where(future & ~is_announced, NEVER, end)
    number = np.cumsum((events.kind == START) | (events.kind == TRIAL) | events.fresh)
    licensed = np.isin(events.line, ADD_ONS, invert=True) & (events.seats > 0)
    count = np.where(licensed, np.maximum(1, np.round(events.seats * seats[events.account])), 0).astype(np.int64)
    rows = Subscriptions(
        account=events.account,
        line=events.line,
        number=number,
        start=events.day,
        end=end,
        end_known=end_known,
        term_end=_term_ends(events, timeline, contract_day),
        kind=events.kind,
        plan=events.plan,
        seats=count,
        mrr=np.round(events.mrr * mrr[events.account], 2),
    )
    return rows.take((events.kind != END) & (events.day <= timeline.last_day))


def _term_ends(events: Events, timeline: Timeline, contract_day: Ints) -> Ints:
    """End of the contract term that holds each event: counted from the platform's last start or renewal."""
    platform = events.line == PLATFORM
    anchor = platform & ((events.kind == START) | (events.kind == TRIAL))
    position = np.where(anchor, np.arange(len(events)), -1)
    owner_start = np.full(int(events.account.max(initial=-1)) + 1, -1)
    latest = np.maximum.accumulate(position)
    same = (latest >= 0) & (events.account[latest] == events.account)
    owner_start[events.account[anchor]] = events.day[anchor]
    started = np.where(platform & same, events.day[latest], owner_start[events.account])
    month, start_month = timeline.month_of(events.day), timeline.month_of(np.minimum(started, events.day))
    term = events.term_months
    day_in_month = events.day - timeline.month_starts[np.maximum(month, 0)] + 1
    before = (month - start_month) - (day_in_month < contract_day[events.account])
    ahead = start_month + (np.maximum(before, 0) // term + 1) * term
    reachable = np.minimum(ahead, len(timeline.month_starts) - 1)
    exact = timeline.month_starts[reachable] + contract_day[events.account] - 1
    beyond = _far_days(timeline, ahead) + contract_day[events.account] - 1
    term_end = np.where(ahead == reachable, exact, beyond)
    return np.where((term > 1) & (events.kind != TRIAL), term_end, NEVER)


def _far_days(timeline: Timeline, month: Ints) -> Ints:
    """First day of any month, however far ahead."""
    first = np.datetime64(int(timeline.month_starts[0]), "D").astype("datetime64[M]")
    return (first + month).astype("datetime64[D]").astype(np.int64)


def _merges(
    rng: np.random.Generator, rows: Subscriptions, customers: int, wish: Wish
) -> tuple[Subscriptions, list[tuple[int, int, int]]]:
    """Give the past of an add-on or second region to an account of its own, merged into the present owner one day."""
    timeline, accounts = wish.timeline, wish.accounts
    wanted = 0 if accounts < 20 else 1 if accounts < 200 else 2
    day = timeline.last_day - timeline.days // 3
    open_rows = np.flatnonzero(
        np.isin(rows.line, (*ADD_ONS, 4)) & (rows.start < day - 30) & (rows.end > day + 60) & (rows.mrr > 0)
    )
    merged: list[tuple[int, int, int]] = []
    if wanted == 0 or len(open_rows) == 0:
        return rows, merged
    order = open_rows[rng.permutation(len(open_rows))]
    _, unique = np.unique(rows.account[order], return_index=True)
    for picked in order[np.sort(unique)][:wanted]:
        source, target = customers + len(merged), int(rows.account[picked])
        rows = _split(rows, int(picked), source, day)
        merged.append((source, target, day))
    return rows, merged


def _split(rows: Subscriptions, picked: int, source: int, day: int) -> Subscriptions:
    line = (rows.account == rows.account[picked]) & (rows.line == rows.line[picked])
    past = line & (rows.start < day)
    cut = rows.take(np.append(np.arange(len(rows)), picked))
    account, start, end, end_known = cut.account.copy(), cut.start.copy(), cut.end.copy(), cut.end_known.copy()
    number = cut.number.copy()
    account[:-1][past] = source
    end[picked], end_known[picked] = day, day - 30
    start[-1] = day
    number[-1] = int(rows.number.max()) + 1
    account[:-1][line & ~past] = rows.account[picked]
    changed = {"account": account, "start": start, "end": end, "end_known": end_known, "number": number}
    return Subscriptions(**{**cut.__dict__, **changed})


def mrr_deltas(rows: Subscriptions) -> tuple[Ints, Ints, Floats, Floats]:
    """(account, day, MRR change, seats change) of every row's start and end."""
    ended = rows.end < NEVER
    account = np.concatenate([rows.account, rows.account[ended]])
    day = np.concatenate([rows.start, rows.end[ended]])
    seats = np.where(rows.mrr > 0, rows.seats, 0).astype(np.float64)
    return account, day, np.concatenate([rows.mrr, -rows.mrr[ended]]), np.concatenate([seats, -seats[ended]])


def mrr_on(rows: Subscriptions, account: Ints, day: Ints) -> Floats:
    """MRR of the account in force on the day."""
    who, when, change, _ = mrr_deltas(rows)
    order = np.lexsort((when, who))
    key = who[order] * NEVER + when[order]
    total = np.concatenate([[0.0], np.cumsum(change[order])])
    at = total[np.searchsorted(key, account * NEVER + day, side="right")]
    before = total[np.searchsorted(key, account * NEVER, side="left")]
    return np.round(at - before, 2)


def _monthly(rows: Subscriptions, customers: int, timeline: Timeline) -> tuple[Floats, Ints]:
    """MRR and paid seats at each billed month's snapshot day."""
    account, day, mrr, seats = mrr_deltas(rows)
    mine = account < customers
    column = np.searchsorted(timeline.snapshot_days, day[mine], side="left")
    inside = column < timeline.months
    cell = (account[mine] * timeline.months + column)[inside]
    shape = (customers, timeline.months)
    size = customers * timeline.months
    money = np.bincount(cell, mrr[mine][inside], size).reshape(shape).cumsum(axis=1)
    count = np.bincount(cell, seats[mine][inside], size).reshape(shape).cumsum(axis=1)
    return np.where(money < 0.005, 0.0, money.round(2)), count.round().astype(np.int64)
