"""Where people are too few whatever the assignment, by looking at every group of pools. Not here: the assignment.

People who are alike (level and region) form a pool. What the accounts that only some pools may cover need beyond what
these pools have is missing for certain, and the largest of these gaps is all that must be missing (max-flow min-cut,
Ford and Fulkerson 1956). So no program is solved here: every set of pools is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain, combinations

import pandas as pd

from tests.oracle.capacity import account_demand, could_stay, csm_supply
from tests.oracle.raw import POLICY, Company

_SKILLS = ("level", "region", "industry")
_RULES = POLICY["assignment"]
_CLOSE = 1e-6

Pool = tuple[str | None, str | None]


@dataclass(frozen=True)
class _Kind:
    """Accounts that are alike: tier and region. Industry binds nobody by the shipped policy."""

    tier: str
    region: str | None


@dataclass(frozen=True)
class _Short:
    """People short in pools, and those for accounts that no pool may cover, by kind."""

    over: float
    nobody: dict[_Kind, float]

    @property
    def total(self) -> float:
        return self.over + sum(self.nobody.values())


def _fits(kind: _Kind, pool: Pool, without: Collection[str]) -> bool:
    level, region = pool
    levels = _RULES["levels"].get(kind.tier)
    is_level = "level" in without or not levels or level in levels
    needs_region = kind.tier in _RULES["region_required"] and "region" not in without
    is_region = not needs_region or kind.region is None or region is None or kind.region == region
    return is_level and is_region


def _subsets(pools: Collection[Pool]) -> Iterator[frozenset[Pool]]:
    return map(frozenset, chain.from_iterable(combinations(pools, n) for n in range(1, len(pools) + 1)))


class _Market:
    """What kinds of accounts take, and what pools have."""

    def __init__(self, taken: dict[_Kind, float], there: dict[Pool, float]) -> None:
        self.taken, self.there = taken, there

    def gap(self, pools: frozenset[Pool], without: Collection[str] = ()) -> float:
        """What the accounts that only these pools may cover take beyond what these have."""
        need = 0.0
        for kind, people in self.taken.items():
            may = {pool for pool in self.there if _fits(kind, pool, without)}
            need += people if may and may <= pools else 0.0
        return need - sum(self.there[pool] for pool in pools)

    def short(self, without: Collection[str] = ()) -> _Short:
        nobody = {
            kind: people
            for kind, people in self.taken.items()
            if not any(_fits(kind, pool, without) for pool in self.there)
        }
        return _Short(max(0.0, *(self.gap(pools, without) for pools in _subsets(self.there))), nobody)


def _market(company: Company) -> _Market:
    """Accounts as the constraints see them: no region binds one that its CSM keeps, or that fits its CSM only."""
    assert not _RULES["industry_required"], "else industries part pools, too"
    supply, demand = csm_supply(company), account_demand(company)
    automated = demand[demand["is_automated"]]["required_fte"].sum() / supply["fte"].sum()
    there: dict[Pool, float] = {}
    for one in supply[supply["stays"]].itertuples():
        pool = (_none(one.level), _none(one.region))
        there[pool] = there.get(pool, 0.0) + one.fte * (1 - min(round(automated, 9), 1.0))
    chosen = company.published("csm_assignments").set_index("account_id")["csm_id"]
    stayers = could_stay(company)
    taken: dict[_Kind, float] = {}
    for one in demand[~demand["is_automated"]].itertuples():
        kind = _Kind(one.coverage_tier, _none(one.region))
        fits_own_only = one.account_id in stayers and not any(_fits(kind, pool, ()) for pool in there)
        if pd.notna(one.csm_id) and (chosen[one.account_id] == one.csm_id or fits_own_only):
            kind = _Kind(one.coverage_tier, None)
        taken[kind] = taken.get(kind, 0.0) + one.required_fte
    return _Market(taken, there)


def _none(value: object) -> str | None:
    return None if pd.isna(value) else str(value)


def csm_assignment_constraints(company: Company) -> pd.DataFrame:
    """What binds and where people are short.

    Several pools may share a lack in many ways, all of them right. So the split between pools is taken from the
    published table, after it was held against every set of pools.
    """
    names = ["constraint", "place", "relief_fte", "coverage_tier", "level", "region", "short_fte"]
    market = _market(company)
    full = market.short()
    least = _RULES["max_gap"] * max(full.total, 1.0)
    if full.total <= least:
        return pd.DataFrame(columns=names)
    relief = {"people": full.over}
    for skill in _SKILLS:
        relief[skill] = _relief(full, market.short((skill,)))
    binding = {name: value for name, value in relief.items() if value > least}
    nobody = sum(full.nobody.values())
    if not binding or (nobody > least and set(binding) == {"people"}):
        binding["level+region+industry"] = _relief(full, market.short(_SKILLS))
    rows = []
    for name, value in binding.items():
        lacks = _split(company, market, full) if name == "people" else _unfit(full)
        ordered = sorted(
            ((group, short) for group, short in lacks.items() if round(short, 6) > 0),
            key=lambda lack: (-round(lack[1], 6), str(lack[0])),
        )
        for place, (group, short) in enumerate(ordered, 1):
            rows.append([name, place, round(value, 9), *group, round(short, 9)])
        if not ordered:
            rows.append([name, 1, round(value, 9), None, None, None, None])
    return pd.DataFrame(rows, columns=names)


def _relief(full: _Short, without: _Short) -> float:
    return max(full.total - without.total, sum(full.nobody.values()) - sum(without.nobody.values()))


def _unfit(full: _Short) -> dict[tuple[str | None, ...], float]:
    return {(kind.tier, None, kind.region): people for kind, people in full.nobody.items()}


def _split(company: Company, market: _Market, full: _Short) -> dict[tuple[str | None, ...], float]:
    """The published split of the lack between pools: enough for every set of pools, and no more than needed."""
    rows = company.published("csm_assignment_constraints")
    rows = rows[rows["constraint"] == "people"]
    split = {(_none(one.level), _none(one.region)): one.short_fte for one in rows.itertuples()}
    assert set(split) <= set(market.there), "people are short in a pool that is not there"
    assert abs(sum(split.values()) - full.over) <= _CLOSE, (split, full.over)
    for pools in _subsets(market.there):
        assert market.gap(pools) <= sum(split.get(pool, 0.0) for pool in pools) + _CLOSE, (pools, split)
    return {(None, *pool): short for pool, short in split.items()}
