"""Everything that customers and we do around the product: support, marketing, conversations, surveys, goals, signals.

Belongs here: extracts that are dated happenings of an account. Not here: usage, money, staff.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segmentation_assets.sample import tables
from segmentation_assets.sample.company import Company
from segmentation_assets.sample.people import Users
from segmentation_assets.sample.plays import draw_acts
from segmentation_assets.sample.timeline import Floats, Ints
from segmentation_assets.sample.traits import (
    GOALS,
    INTERACTION_KINDS,
    MARKETING_CHANNELS,
    PLAY_KIND_SHARES,
    PLAYS,
    PRIORITIES,
    SELF_SERVICE_CHANNELS,
    SIGNALS,
    TICKET_CHANNELS,
    TOOLS,
)

_DAY = 86_400
_WEEKEND_KEPT = 0.2


@dataclass(frozen=True)
class Happenings:
    """Account, day and month of each, ordered by day, then account; all inside the window and the account's life."""

    account: Ints
    day: Ints
    month: Ints

    def __len__(self) -> int:
        return len(self.account)

    def health(self, company: Company) -> Floats:
        """Health of each account in the month of the happening."""
        return company.latents.health[self.account, self.month]


def happenings(
    company: Company,
    rng: np.random.Generator,
    rate: Floats,
    *,
    weekends: float = _WEEKEND_KEPT,
    distinct: bool = False,
) -> Happenings:
    """Draw from `rate` (customer × billed month, a month); `distinct`: at most one per account and day."""
    timeline = company.timeline
    months = timeline.window_months
    count = rng.poisson(np.broadcast_to(rate, (company.customers, timeline.months))[:, months])
    row, column = np.nonzero(count)
    times = count[row, column]
    account, month = np.repeat(row, times), months[np.repeat(column, times)]
    length = timeline.month_starts[month + 1] - timeline.month_starts[month]
    day = timeline.month_starts[month] + np.floor(rng.random(len(account)) * length).astype(np.int64)
    inside = (day >= timeline.first_day) & (day <= timeline.last_day)
    inside &= (day >= company.first_paid[account]) & (day < company.last_paid[account])
    inside &= ((day + 3) % 7 < 5) | (rng.random(len(account)) < weekends)
    account, day, month = account[inside], day[inside], month[inside]
    order = np.lexsort((account, day))
    if distinct:
        _, first = np.unique(day[order] * 10**7 + account[order], return_index=True)
        order = order[first]
    return Happenings(account[order], day[order], month[order])


def _grid(company: Company, name: str) -> Floats:
    return getattr(company.latents, name)[:, : company.timeline.months]


def _tier(company: Company) -> Ints:
    return company.tier[: company.customers]


def support_tickets(company: Company) -> pa.Table:
    """Tickets: more of them, slower and unhappier, where health is poor."""
    rng = company.stream("support_tickets")
    health = _grid(company, "health")
    self_served = np.array([1.15, 1.0, 0.85, 0.6])[_tier(company)][:, None]
    tickets = happenings(company, rng, 0.055 * (company.seats + 1.5) * np.exp(-0.4 * health) * self_served)
    size, mood = len(tickets), tickets.health(company)
    opened = tickets.day * _DAY + rng.integers(7 * 3_600, 20 * 3_600, size)
    priority = np.clip(np.floor(rng.normal(1.3 - 0.25 * mood, 0.8)), 0, 3).astype(np.int64)
    wait = rng.lognormal(np.log(np.array([14_000, 9_000, 4_000, 1_500]))[priority], 0.8)
    solve = wait + rng.lognormal(np.log(np.array([90_000, 80_000, 60_000, 40_000]))[priority] - 0.15 * mood, 1.0)
    horizon = (company.timeline.last_day + 1) * _DAY
    happy = 0.5 * mood - 0.25 * np.log(solve / 80_000)
    csat = np.clip(np.round(3.9 + 0.7 * happy + 0.7 * rng.standard_normal(size)), 1, 5)
    unresolved = (opened + solve >= horizon) | (rng.random(size) < 0.01)
    columns = {
        "ticket_id": tables.ids("T", np.arange(1, size + 1), 7),
        "account_id": tables.choice(company.account_ids, tickets.account),
        "opened_at": tables.moments(opened),
        "first_response_at": tables.moments(opened + wait.astype(np.int64), opened + wait >= horizon),
        "resolved_at": tables.moments(opened + solve.astype(np.int64), unresolved),
        "priority": tables.choice(PRIORITIES, priority),
        "channel": tables.choice(TICKET_CHANNELS, rng.choice(4, size, p=[0.4, 0.25, 0.1, 0.25])),
        "handling_hours": tables.values(np.round(rng.lognormal(-0.4 + 0.25 * priority, 0.6), 2), unresolved),
        "csat": tables.values(csat, (rng.random(size) < 0.6) | unresolved),
        "sentiment": tables.values(
            np.round(np.tanh(0.15 + 0.45 * happy + 0.35 * rng.standard_normal(size)), 3),
            rng.random(size) < 0.1,
        ),
        "is_escalated": rng.random(size) < np.clip(0.04 * np.exp(-0.8 * mood) * (1 + priority), 0, 0.6),
    }
    return tables.table("support_tickets", columns)


def self_service_sessions(company: Company) -> pa.Table:
    """Knowledge base, chatbot and community; smaller accounts use them more."""
    rng = company.stream("self_service_sessions")
    likes = np.array([0.7, 0.9, 1.1, 1.3])[_tier(company)][:, None]
    rate = 0.16 * (company.seats + 2) ** 0.85 * likes * np.exp(0.1 * _grid(company, "health")) * (company.mrr > 0)
    sessions = happenings(company, rng, rate, distinct=True)
    size = len(sessions)
    columns = {
        "account_id": tables.choice(company.account_ids, sessions.account),
        "used_on": tables.dates(sessions.day),
        "channel": tables.choice(SELF_SERVICE_CHANNELS, rng.choice(3, size, p=[0.55, 0.25, 0.20])),
        "sessions": 1 + rng.poisson(0.6, size),
    }
    return tables.table("self_service_sessions", columns)


def marketing_engagement(company: Company) -> pa.Table:
    """Touches; champions take part more."""
    rng = company.stream("marketing_engagement")
    rate = 1.1 * np.exp(0.3 * _grid(company, "champion")) * (company.mrr > 0)
    touches = happenings(company, rng, rate * np.array([2.2, 1.5, 0.9, 0.5])[_tier(company)][:, None], distinct=True)
    size = len(touches)
    columns = {
        "account_id": tables.choice(company.account_ids, touches.account),
        "engaged_on": tables.dates(touches.day),
        "channel": tables.choice(MARKETING_CHANNELS, rng.choice(6, size, p=[0.4, 0.1, 0.05, 0.15, 0.1, 0.2])),
        "touches": 1 + rng.poisson(0.5, size),
    }
    return tables.table("marketing_engagement", columns)


def interactions(company: Company) -> pa.Table:
    """Conversations, and the plays that were done; champions answer sooner and more often."""
    rng = company.stream("interactions")
    care = np.array([3.6, 1.5, 0.4, 0.08])[_tier(company)][:, None]
    talks = happenings(company, rng, care * (company.mrr > 0), weekends=0.0)
    acts = draw_acts(company)
    account, day = np.concatenate([talks.account, acts.account]), np.concatenate([talks.day, acts.day])
    play = np.concatenate([np.full(len(talks), -1), acts.play])
    order = np.lexsort((play, account, day))
    account, day, play = account[order], day[order], play[order]
    size, is_play = len(account), play >= 0
    month = company.timeline.month_of(day)
    warmth = company.latents.champion[account, month] + 0.5 * company.latents.health[account, month]
    ours = is_play | (rng.random(size) < 0.6)
    kind = np.where(is_play, _kinds(rng, play), rng.choice(4, size, p=[0.28, 0.22, 0.44, 0.06]))
    replied = day + np.floor(rng.exponential(2.2 * np.exp(-0.35 * warmth))).astype(np.int64)
    silent = rng.random(size) > 1 / (1 + np.exp(-(1.1 + 0.8 * warmth)))
    silent |= ~ours | (replied > company.timeline.last_day)
    columns = {
        "interaction_id": tables.ids("N", np.arange(1, size + 1), 7),
        "account_id": tables.choice(company.account_ids, account),
        "occurred_on": tables.dates(day),
        "kind": tables.choice(INTERACTION_KINDS, kind),
        "initiated_by": tables.choice(("customer", "us"), ours.astype(np.int64)),
        "replied_on": tables.dates(replied, silent),
        "play": tables.choice(PLAYS, np.maximum(play, 0), ~is_play),
    }
    return tables.table("interactions", columns)


def _kinds(rng: np.random.Generator, play: Ints) -> Ints:
    """The kind of conversation in which each play is done."""
    shares = np.cumsum(np.array(PLAY_KIND_SHARES), axis=1)[np.maximum(play, 0)]
    return np.minimum((rng.random(len(play))[:, None] >= shares).sum(axis=1), len(INTERACTION_KINDS) - 1)


def surveys(company: Company, users: Users) -> pa.Table:
    """Scores on the scales of NPS (0 to 10), CSAT (1 to 5) and CES (1 to 7)."""
    rng = company.stream("surveys")
    surveyed = happenings(company, rng, 0.055 * (company.seats + 1.0) ** 0.7)
    size = len(surveyed)
    kind = rng.choice(3, size, p=[0.5, 0.3, 0.2])
    mood = 0.8 * surveyed.health(company) + 0.25 * company.latents.champion[surveyed.account, surveyed.month]
    mood += 0.8 * rng.standard_normal(size)
    raw = np.array([7.6, 4.0, 4.9])[kind] + np.array([1.7, 0.7, 1.0])[kind] * mood
    low, high = np.array([0, 1, 1])[kind], np.array([10, 5, 7])[kind]
    answered = surveyed.day + np.floor(rng.exponential(3, size)).astype(np.int64)
    silent = rng.random(size) > 1 / (1 + np.exp(-(-0.5 + 0.5 * mood)))
    silent |= answered > company.timeline.last_day
    user = _asked_users(rng, users, surveyed)
    order = {
        "response_id": tables.ids("R", np.arange(1, size + 1), 6),
        "account_id": tables.choice(company.account_ids, surveyed.account),
        "user_id": tables.choice(users.ids, np.maximum(user, 0), (user < 0) | (rng.random(size) < 0.08)),
        "sent_on": tables.dates(surveyed.day),
        "answered_on": tables.dates(answered, silent),
        "kind": tables.choice(("nps", "csat", "ces"), kind),
        "score": tables.values(np.clip(np.round(raw), low, high), silent),
    }
    return tables.table("surveys", order)


def _asked_users(rng: np.random.Generator, users: Users, events: Happenings) -> Ints:
    """A user of the account who is there on the day, else -1."""
    first = np.searchsorted(users.account, events.account, side="left")
    after = np.searchsorted(users.account, events.account, side="right")
    picked = first + np.floor(rng.random(len(events)) * (after - first)).astype(np.int64)
    safe = np.minimum(picked, max(len(users) - 1, 0))
    if len(users) == 0:
        return np.full(len(events), -1)
    there = (after > first) & (users.created[safe] <= events.day) & (events.day < users.deactivated[safe])
    return np.where(there & ~users.is_service[safe], safe, -1)


def technology_installs(company: Company) -> pa.Table:
    """Tools seen at each account, some since before the window; legacy goes, in growing accounts above all."""
    rng = company.stream("technology_installs")
    timeline = company.timeline
    fit = company.latents.fit[:, timeline.months - 1]
    relation = np.array([("complementary", "neutral", "legacy", "competitor").index(tool[2]) for tool in TOOLS])
    level = np.array([-0.2, -0.6, -1.5, -2.2])[relation] + np.outer(fit, np.array([0.5, 0.1, -0.4, -0.3])[relation])
    account, tool = np.nonzero(rng.random(level.shape) < 1 / (1 + np.exp(-level)))
    size = len(account)
    seen = timeline.last_day - np.floor(rng.gamma(1.5, 500, size)).astype(np.int64)
    gone = rng.random(size) < np.array([0.08, 0.08, 0.35, 0.30])[relation[tool]]
    left = seen + np.floor(rng.exponential(400, size)).astype(np.int64) + 20
    columns = {
        "account_id": tables.choice(company.account_ids, account),
        "tool": tables.choice([tool[0] for tool in TOOLS], tool),
        "first_seen": tables.dates(seen),
        "category": tables.choice([tool[1] for tool in TOOLS], tool, rng.random(size) < 0.05),
        "relation": tables.choice([tool[2] for tool in TOOLS], tool),
        "last_seen": tables.dates(left, ~gone | (left > timeline.last_day)),
    }
    return tables.table("technology_installs", columns)


def external_signals(company: Company) -> pa.Table:
    """News of the account, good where it grows."""
    rng = company.stream("external_signals")
    signals = happenings(company, rng, np.array([0.22, 0.14, 0.08, 0.05])[_tier(company)][:, None], weekends=0.5)
    size = len(signals)
    weight = np.array([signal[1] for signal in SIGNALS])
    outlook = 0.5 * signals.health(company) + 0.7 * company.latents.growth[signals.account, signals.month]
    liking = 1.2 * outlook[:, None] * weight[None, :] + rng.gumbel(size=(size, len(SIGNALS)))
    signal = np.argmax(liking, axis=1)
    columns = {
        "signal_id": tables.ids("G", np.arange(1, size + 1), 6),
        "account_id": tables.choice(company.account_ids, signals.account),
        "signal": tables.choice([signal[0] for signal in SIGNALS], signal),
        "observed_on": tables.dates(signals.day),
        "weight": np.round(np.clip(weight[signal] + 0.15 * rng.standard_normal(size), -1, 1), 2),
    }
    return tables.table("external_signals", columns)


def success_goals(company: Company) -> pa.Table:
    """Goals, each once per quarter; met sooner where health is good."""
    rng = company.stream("success_goals")
    goals = happenings(company, rng, np.array([0.24, 0.14, 0.06, 0.015])[_tier(company)][:, None], weekends=0.0)
    code = rng.integers(0, len(GOALS), len(goals))
    due = goals.day + rng.choice([60, 90, 120, 180], len(goals))
    pace = rng.normal(0, 40, len(goals)) - 28 * goals.health(company)
    met = np.maximum(np.round(due - 8 + pace), goals.day + 5).astype(np.int64)
    never = rng.random(len(goals)) > 1 / (1 + np.exp(-(1.3 + 0.9 * goals.health(company))))
    never |= (met > company.timeline.last_day) | (met >= company.last_paid[goals.account])
    names = [f"{goal}_{year}" for year in range(2000, 2101) for goal in GOALS]
    quarter = (goals.day // 91) % 101
    columns = {
        "account_id": tables.choice(company.account_ids, goals.account),
        "goal": tables.choice(names, quarter * len(GOALS) + code),
        "set_on": tables.dates(goals.day),
        "due_on": tables.dates(due),
        "met_on": tables.dates(met, never),
    }
    key = (goals.account * 101 + quarter) * len(GOALS) + code
    _, first = np.unique(key, return_index=True)
    return tables.table("success_goals", columns).take(pa.array(np.sort(first)))
