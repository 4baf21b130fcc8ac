"""Which constraints bind where people are short, and which people are missing.

Here: the smallest possible shortfall, with and without each constraint. Not here: the assignment itself
(`optimiser`), or sentences about it (`reading.plans`).

CSMs who are alike form one pool, accounts that are alike form one kind, and continuity does not count. So the result
bounds every assignment: if the pools cannot cover the accounts, no assignment can. The shortfall is counted in
people: the people that a pool's accounts take beyond its own, plus all people for accounts that no CSM fits. A
constraint binds if the shortfall, or its part for accounts that no CSM fits, would be smaller without it. So a region
without people binds also where people are short everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segmentation_assets.capacity.optimiser import Account, Csm, Floats, fit_of
from segmentation_assets.policy.capacity import AssignmentPolicy

SKILLS = ("level", "region", "industry")
PEOPLE = "people"
ROSTER = "roster"
ALL_SKILLS = "+".join(SKILLS)
_DIGITS = 6
_NOBODY_WEIGHT = 1000.0
"""Weight in the linear program: overload is better than an account without a CSM. Not a number of the business."""


@dataclass(frozen=True, order=True)
class Lack:
    """People short in one pool of CSMs (level and region), or for accounts of a tier and region that no CSM fits."""

    tier: str | None
    level: str | None
    region: str | None
    fte: float


@dataclass(frozen=True)
class Binding:
    """A binding constraint: how many people fewer would be short without it, and where they are short."""

    constraint: str
    relief_fte: float
    lacks: tuple[Lack, ...]


@dataclass(frozen=True)
class _Shortfall:
    """People short: by pool of CSMs (`over`), and by kind of account that no CSM fits (`unfit`)."""

    over: Floats
    unfit: Floats

    @property
    def total(self) -> float:
        """People short in all pools and for all kinds of accounts."""
        return self.nobody + float(self.over.sum())

    @property
    def nobody(self) -> float:
        """People short for accounts that no CSM fits."""
        return float(self.unfit.sum())


def binding_constraints(
    accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy
) -> tuple[Binding, ...]:
    """The constraints that bind, the one with the largest relief first; none where people suffice."""
    if not accounts:
        return ()
    if not csms:
        people = sum(a.portfolio_share for a in accounts)
        return (Binding(ROSTER, people, (Lack(None, None, None, people),)),)
    pools = _Pools.of(csms)
    full = pools.shortfall(accounts, policy, frozenset())
    least = policy.max_gap * max(full.total, 1.0)
    if full.total <= least:
        return ()
    bindings = []
    for name in (*SKILLS, PEOPLE):
        relief = _relief(full, pools.shortfall(accounts, policy, frozenset({name})))
        if relief > least:
            bindings.append(Binding(name, relief, _lacks(name, full, accounts, pools)))
    if not bindings or (full.nobody > least and all(binding.constraint == PEOPLE for binding in bindings)):
        relief = _relief(full, pools.shortfall(accounts, policy, frozenset(SKILLS)))
        bindings.append(Binding(ALL_SKILLS, relief, _lacks(ALL_SKILLS, full, accounts, pools)))
    return tuple(sorted(bindings, key=lambda binding: -round(binding.relief_fte, _DIGITS)))


def _relief(full: _Shortfall, without: _Shortfall) -> float:
    """Decrease of the shortfall, or of its part that no CSM fits, whichever is larger."""
    return max(full.total - without.total, full.nobody - without.nobody)


def blocking_skills(
    accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy
) -> Iterator[tuple[Account, str]]:
    """Accounts that no CSM fits, each with the constraint that excludes all CSMs (several joined by `+`)."""
    if not csms:
        yield from ((account, "roster") for account in accounts)
        return
    fit, kind_of = fit_of(accounts, csms, policy)
    alone = {name: fit_of(accounts, csms, policy, frozenset({name}))[0].covered for name in SKILLS}
    pairs = [(a, b) for i, a in enumerate(SKILLS) for b in SKILLS[i + 1 :]]
    both = {p: fit_of(accounts, csms, policy, frozenset(p))[0].covered for p in pairs}
    fits = fit.covered
    for account, kind in zip(accounts, kind_of, strict=True):
        if fits[kind]:
            continue
        single = [name for name in SKILLS if alone[name][kind]]
        double = ["+".join(p) for p in pairs if both[p][kind]]
        yield account, (single or double or ["+".join(SKILLS)])[0]


@dataclass(frozen=True)
class _Pools:
    """CSMs by pool: those who are alike count as one."""

    people: Sequence[Csm]

    @classmethod
    def of(cls, csms: Sequence[Csm]) -> _Pools:
        """Pools CSMs by level, region and industries. A pool's id names level and region."""
        groups: dict[tuple[str | None, str | None, frozenset[str]], list[Csm]] = {}
        for csm in csms:
            groups.setdefault((csm.level, csm.region, csm.industries), []).append(csm)
        pooled = [
            Csm(
                f"{level or 'level unknown'} in {region or 'any region'}",
                sum(c.hours for c in group), sum(c.fte for c in group), level, region, industries,
            )
            for (level, region, industries), group in groups.items()
        ]  # fmt: skip
        return cls(sorted(pooled, key=lambda c: (c.csm_id, sorted(c.industries))))

    def shortfall(self, accounts: Sequence[Account], policy: AssignmentPolicy, without: frozenset[str]) -> _Shortfall:
        """The smallest shortfall without the constraints in `without`. Raises RuntimeError if the solver fails."""
        from scipy import sparse  # noqa: PLC0415 - heavy, and only where somebody is assigned
        from scipy.optimize import linprog  # noqa: PLC0415

        fit, kind_of = fit_of(accounts, self.people, policy, without)
        kinds, pools = fit.may.shape
        people: Floats = np.bincount(
            kind_of, np.array([a.portfolio_share for a in accounts]), minlength=kinds
        ).astype(float)
        row, column = np.nonzero(fit.may)
        pairs = len(row)
        # Variables: the part of each kind that each pool takes, the part that no pool takes, people beyond each pool.
        numbers = np.arange(pairs)
        covers = sparse.csr_array((np.ones(pairs), (row, numbers)), shape=(kinds, pairs))
        load = sparse.csr_array((people[row], (column, numbers)), shape=(pools, pairs))
        limits = sparse.hstack([load, sparse.csr_array((pools, kinds)), -sparse.eye_array(pools)])
        coverage = sparse.hstack([covers, sparse.eye_array(kinds), sparse.csr_array((kinds, pools))])
        counts = float(PEOPLE not in without)
        solution = linprog(
            np.concatenate([np.zeros(pairs), _NOBODY_WEIGHT * people, np.full(pools, counts)]),
            A_ub=sparse.csr_array(limits),
            b_ub=np.array([c.fte for c in self.people]),
            A_eq=sparse.csr_array(coverage),
            b_eq=np.ones(kinds),
            method="highs",
        )
        if solution.status != 0:
            raise RuntimeError(f"the linear program of the shortfall was not solved: {solution.message}")
        nobody, over = np.split(solution.x[pairs:], [kinds])
        return _Shortfall(over * counts, nobody * people)


def _lacks(name: str, full: _Shortfall, accounts: Sequence[Account], pools: _Pools) -> tuple[Lack, ...]:
    """Where people are short, the largest lack first: by pool of CSMs, or by kind of account that no CSM fits."""
    sums: dict[tuple[str | None, str | None, str | None], float] = {}
    if name == PEOPLE:
        groups = [(None, pool.level, pool.region) for pool in pools.people]
        amounts = full.over
    else:
        groups = [(tier, None, region) for tier, region, _ in sorted({_kind(a) for a in accounts}, key=str)]
        amounts = full.unfit
    for group, amount in zip(groups, amounts, strict=True):
        sums[group] = sums.get(group, 0.0) + float(amount)
    ordered = sorted(sums.items(), key=lambda item: (-round(item[1], _DIGITS), str(item[0])))
    return tuple(Lack(*group, fte) for group, fte in ordered if round(fte, _DIGITS) > 0)


def _kind(account: Account) -> tuple[str, str | None, str | None]:
    return account.tier, account.region, account.industry
