"""The users of each account: when they come and go, how they work with the product.

Belongs here: one row per user and the traits that drive usage. Not here: what they do on a given day.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company
from segmentation_assets.sample.timeline import NEVER, Bools, Floats, Ints
from segmentation_assets.sample.traits import DEPARTMENT_SHARE, DEPARTMENTS, ROLE_SHARE, ROLES

LEAVING_RATE = 0.010  # of a user's account leaving its employer, per month
SERVICE_SHARE = 0.012
TRUE_UP_SHARE = 0.04  # accounts with more users than seats
KEENEST_PLACE = 0.35  # of one step: below one half, so that the only user of an account is rarely an idle one


@dataclass(frozen=True)
class Users:
    """Sorted by account. `rank` is the user's place in the account, 0 the keenest, 1 the least."""

    ids: pa.Array
    account: Ints
    created: Ints
    deactivated: Ints
    rank: Floats
    is_service: Bools
    role: Ints
    department: Ints
    seat_ratio: Floats  # per account: users over licensed seats

    def __len__(self) -> int:
        return len(self.account)


def draw_users(company: Company) -> Users:
    """Everyone who had a user in the window, as many as the seats call for."""
    rng = company.stream("product_users")
    timeline = company.timeline
    ratio = np.clip(rng.normal(1.0, 0.09, company.customers), 0.75, 1.2)
    above = rng.random(company.customers) < TRUE_UP_SHARE
    ratio = np.where(above, rng.uniform(1.3, 1.7, company.customers), ratio)
    places = np.where(company.seats > 0, np.maximum(np.round(company.seats * ratio[:, None]), 1), 0).astype(np.int64)
    account, number, month = _first_generation(places)
    start = np.maximum(timeline.month_starts[month], company.first_paid[account])
    created = start + rng.integers(0, 28, len(account))
    created = np.where(rng.random(len(account)) < 0.35, start, created)
    leave = _place_ends(company, rng, places, account, number)
    rank = _ranks(rng, account)
    service = rng.random(len(account)) < SERVICE_SHARE
    account, created, gone, rank, service = _generations(rng, account, created, leave, rank=rank, service=service)
    in_history = (created <= timeline.last_day) & (gone >= timeline.first_day) & (gone > created)
    order = np.flatnonzero(in_history)
    order = order[np.lexsort((rank[order], created[order], account[order]))]
    size = len(order)
    return Users(
        ids=tables.ids("U", np.arange(1, size + 1), 7),
        account=account[order],
        created=created[order],
        deactivated=np.where(gone[order] > timeline.last_day, NEVER, gone[order]),
        rank=rank[order],
        is_service=service[order],
        role=rng.choice(len(ROLES), size, p=ROLE_SHARE),
        department=rng.choice(len(DEPARTMENTS), size, p=DEPARTMENT_SHARE),
        seat_ratio=ratio,
    )


def _first_generation(places: Ints) -> tuple[Ints, Ints, Ints]:
    """(account, its how-manieth place, month the place is first there), one row per place ever held."""
    peak = np.maximum.accumulate(places, axis=1)
    added = np.diff(peak, axis=1, prepend=0)
    account, month = np.nonzero(added)
    count = added[account, month]
    base = peak[account, month] - count
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(account, count), np.repeat(base, count) + offset, np.repeat(month, count)


def _place_ends(company: Company, rng: np.random.Generator, places: Ints, account: Ints, number: Ints) -> Ints:
    """Day each place goes away again: after a contraction or the account's end; NEVER while held."""
    timeline = company.timeline
    later = np.maximum.accumulate(places[:, ::-1], axis=1)[:, ::-1]  # most places held from this month on
    held_months = np.array((later > 0).sum(axis=1))[account]
    last = np.zeros(len(account), np.int64)
    for month in range(timeline.months):
        last = np.where(later[account, month] > number, month, last)
    final = last == timeline.months - 1
    day = timeline.month_ends[last] + rng.integers(0, 30, len(account))
    over = (held_months <= last + 1) & (company.last_paid[account] < NEVER)
    day = np.where(over, company.last_paid[account] + rng.integers(0, 20, len(account)), day)
    return np.where(final, NEVER, day)


def _ranks(rng: np.random.Generator, account: Ints) -> Floats:
    """A shuffled place within the account, as a share of its size."""
    order = np.lexsort((rng.random(len(account)), account))
    size = np.bincount(account)
    first = np.cumsum(size) - size
    place = np.empty(len(account), np.int64)
    place[order] = np.arange(len(account)) - first[account[order]]
    return (place + KEENEST_PLACE) / size[account]


def _generations(
    rng: np.random.Generator, account: Ints, created: Ints, leave: Ints, *, rank: Floats, service: Bools
) -> tuple[Ints, Ints, Ints, Floats, Bools]:
    """People change: who leaves early is followed by another with the same keenness, three times at most."""
    parts: list[tuple[Ints, Ints, Ints, Floats, Bools]] = []
    for generation in range(4):
        stay = np.ceil(rng.exponential(30.4 / LEAVING_RATE, len(account))).astype(np.int64)
        gone = np.minimum(leave, np.where(service | (generation == 3), NEVER, created + stay))
        parts.append((account, created, gone, rank, service))
        follow = gone < leave
        start = gone + rng.integers(0, 40, len(account))
        follow &= start < leave
        account, created, leave = account[follow], start[follow], leave[follow]
        rank, service = rank[follow], service[follow]
    columns: list[np.ndarray] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return columns[0], columns[1], columns[2], columns[3], columns[4]


def product_users(company: Company, users: Users) -> pa.Table:
    """The users as the product exports them."""
    rng = company.stream("product_users_table")
    size = len(users)
    columns = {
        "user_id": users.ids,
        "account_id": tables.choice(company.account_ids, users.account),
        "created_on": tables.dates(users.created),
        "deactivated_on": tables.dates(users.deactivated, users.deactivated == NEVER),
        "role": tables.choice(ROLES, users.role, rng.random(size) < 0.05),
        "department": tables.choice(DEPARTMENTS, users.department, rng.random(size) < 0.08),
        "is_service_user": users.is_service,
    }
    return tables.table("product_users", columns)
