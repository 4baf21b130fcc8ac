"""Which constraint binds where people do not suffice, and what would free it.

Here: the shortfall of the best coverage that people as pools could give, with and without each constraint. Not here:
the assignment itself (`optimiser`).

Accounts of a kind and CSMs of a kind are pools, and continuity is left out: what pools cannot do, no assignment can.
The shortfall is in hours a month: hours above the pools' hours, portfolio above their ratio at the hours of an FTE,
and all of accounts that nobody fits. A constraint binds if leaving it out alone lowers the shortfall, or the part of
it that nobody fits: a region without people binds also where all people are short of hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segmentation_assets.capacity.optimiser import Account, Csm, Floats, fit_of, hours_per_fte
from segmentation_assets.policy.capacity import AssignmentPolicy

SKILLS = ("level", "region", "industry")
LIMITS = ("hours", "ratio")
_TINY = 1e-6
_NOBODY_WEIGHT = 1000.0
"""Overload is better than nobody, whatever its size."""


@dataclass(frozen=True)
class Binding:
    """A constraint that binds, by how much, and what would free it. `relief_hours`: of the shortfall, a month."""

    constraint: str
    relief_hours: float
    text: str
    frees: str


@dataclass(frozen=True)
class _Shortfall:
    """Per pool of CSMs the overload, per kind of account the hours and portfolio that nobody fits."""

    over_hours: Floats
    over_fte: Floats
    unfit_hours: Floats
    unfit_portfolio: Floats
    fte_hours: float

    @property
    def total(self) -> float:
        """In hours a month."""
        return self.unfit + float(self.over_hours.sum() + self.fte_hours * self.over_fte.sum())

    @property
    def unfit(self) -> float:
        """What nobody fits, in hours a month."""
        return float(self.unfit_hours.sum() + self.fte_hours * self.unfit_portfolio.sum())


def binding_constraints(
    accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy
) -> tuple[Binding, ...]:
    """The constraints that bind, the one that relieves most first; none where people suffice."""
    if not accounts:
        return ()
    if not csms:
        hours = sum(a.hours for a in accounts)
        return (
            Binding(
                "roster", hours, f"nobody to take {len(accounts)} accounts",
                f"people for {hours:.1f} h a month and {sum(a.portfolio_share for a in accounts):.2f} FTE by ratio",
            ),
        )  # fmt: skip
    people = _Pools.of(csms)
    full = people.shortfall(accounts, policy, frozenset())
    least = policy.max_gap * max(full.total, 1.0)
    if full.total <= least:
        return ()
    found = []
    for name in (*SKILLS, *LIMITS):
        without = people.shortfall(accounts, policy, frozenset({name}))
        relief = _relief(full, without)
        if relief > least:
            found.append(Binding(name, relief, *_words(name, full, without, accounts, people, policy)))
    if not found or (full.unfit > least and all(binding.constraint in LIMITS for binding in found)):
        relief = _relief(full, people.shortfall(accounts, policy, frozenset(SKILLS)))
        found.append(
            Binding(
                "+".join(SKILLS), relief, f"no single one, together {relief:.1f} h a month",
                "people who fit in all of level, region and industry: " + _unfit(full, accounts),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda binding: -round(binding.relief_hours, 6)))


def _relief(full: _Shortfall, without: _Shortfall) -> float:
    """What leaving something out saves: of the shortfall, or of the part of it that nobody fits."""
    return max(full.total - without.total, full.unfit - without.unfit)


def blocking_skills(
    accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy
) -> Iterator[tuple[Account, str]]:
    """Accounts that nobody fits, with the constraint without which somebody would; several joined by `+`."""
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
    """CSMs who are alike, as one."""

    people: Sequence[Csm]

    @classmethod
    def of(cls, csms: Sequence[Csm]) -> _Pools:
        """CSMs by level, region and industries; each pool's name says so."""
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
        """The least shortfall, with some constraints left out. Raises RuntimeError if the solver fails."""
        from scipy import sparse  # noqa: PLC0415 - heavy, and only where somebody is assigned
        from scipy.optimize import linprog  # noqa: PLC0415

        fit, kind_of = fit_of(accounts, self.people, policy, without)
        kinds, pools = fit.may.shape
        hours: Floats = np.bincount(kind_of, np.array([a.hours for a in accounts]), minlength=kinds).astype(float)
        portfolio_shares = np.array([a.portfolio_share for a in accounts])
        portfolio: Floats = np.bincount(kind_of, portfolio_shares, minlength=kinds).astype(float)
        row, column = np.nonzero(fit.may)
        pairs, fte_hours = len(row), hours_per_fte(self.people)
        # Variables: the part of each kind that each pool takes, the part nobody takes, overload hours, overload FTE.
        numbers = np.arange(pairs)
        covers = sparse.csr_array((np.ones(pairs), (row, numbers)), shape=(kinds, pairs))
        empty = sparse.csr_array((pools, kinds))
        loads = [sparse.csr_array((w[row], (column, numbers)), shape=(pools, pairs)) for w in (hours, portfolio)]
        zero, over = sparse.csr_array((pools, pools)), -sparse.eye_array(pools)
        limits = sparse.vstack(
            [sparse.hstack([loads[0], empty, over, zero]), sparse.hstack([loads[1], empty, zero, over])]
        )
        coverage = sparse.hstack([covers, sparse.eye_array(kinds), sparse.csr_array((kinds, 2 * pools))])
        prices = {"hours": float("hours" not in without), "ratio": fte_hours * ("ratio" not in without)}
        nobody = _NOBODY_WEIGHT * (hours + fte_hours * portfolio)
        found = linprog(
            np.concatenate(
                [np.zeros(pairs), nobody, np.full(pools, prices["hours"]), np.full(pools, prices["ratio"])]
            ),
            A_ub=sparse.csr_array(limits),
            b_ub=np.concatenate([[c.hours for c in self.people], [c.fte for c in self.people]]),
            A_eq=sparse.csr_array(coverage),
            b_eq=np.ones(kinds),
            method="highs",
        )
        if found.status != 0:
            raise RuntimeError(f"the linear program of the shortfall was not solved: {found.message}")
        nobody_part, over_hours, over_fte = np.split(found.x[pairs:], [kinds, kinds + pools])
        return _Shortfall(
            over_hours * ("hours" not in without), over_fte * ("ratio" not in without),
            nobody_part * hours, nobody_part * portfolio, fte_hours,
        )  # fmt: skip


def _words(
    name: str,
    full: _Shortfall,
    without: _Shortfall,
    accounts: Sequence[Account],
    pools: _Pools,
    policy: AssignmentPolicy,
) -> tuple[str, str]:
    """What binds, and what would free it."""
    if name == "hours":
        demanded = sum(a.hours for a in accounts) - float(full.unfit_hours.sum())
        has = sum(c.hours for c in pools.people)
        lacking = float(full.over_hours.sum())
        fte = f" ({lacking / full.fte_hours:.2f} FTE)" if full.fte_hours > 0 else ""
        return (
            f"{lacking:.1f} h a month too few ({demanded:.1f} demanded, {has:.1f} there)",
            f"{lacking:.1f} h a month more{fte}: {_where(full.over_hours, pools, 'h a month')}",
        )
    if name == "ratio":
        needed = sum(a.portfolio_share for a in accounts) - float(full.unfit_portfolio.sum())
        has = sum(c.fte for c in pools.people)
        return (
            f"{full.over_fte.sum():.2f} FTE too few ({needed:.2f} by ratio, {has:.2f} there)",
            f"{full.over_fte.sum():.2f} FTE more: {_where(full.over_fte, pools, 'FTE')}",
        )
    relief = _relief(full, without)
    if relief > full.total - without.total + _TINY:
        text = f"because of it nobody fits {relief:.1f} h a month of {full.total:.1f} short"
    else:
        text = f"without it {relief:.1f} h a month of {full.total:.1f} short would be covered"
    unfit = _unfit(full, accounts)
    people = {
        "level": "CSMs of the level asked for (" + "; ".join(
            f"{tier}: {' or '.join(levels)}" for tier, levels in policy.levels.items()
        ) + ")",
        "region": "CSMs for the region",
        "industry": "CSMs who know the industry",
    }[name]  # fmt: skip
    fte = relief / full.fte_hours if full.fte_hours > 0 else 0.0
    return text, f"{people}, up to {fte:.2f} FTE" + (f"; nobody now for {unfit}" if unfit else "")


def _where(over: Floats, pools: _Pools, unit: str) -> str:
    """The pools that lack, the largest first."""
    by_name: dict[str, float] = {}
    for pool, amount in zip(pools.people, over, strict=True):
        if amount > 0:
            by_name[pool.csm_id] = by_name.get(pool.csm_id, 0.0) + float(amount)
    ordered = sorted(by_name.items(), key=lambda item: (-round(item[1], 6), item[0]))
    return ", ".join(f"{amount:.2f} {unit} {name}" for name, amount in ordered if round(amount, 2) > 0)


def _unfit(full: _Shortfall, accounts: Sequence[Account]) -> str:
    """The kinds of accounts that nobody fits."""
    kinds = sorted({(a.tier, a.region, a.industry) for a in accounts}, key=str)
    sums: dict[str, float] = {}
    for (tier, region, _), hours in zip(kinds, full.unfit_hours, strict=True):
        if hours > 0:
            name = f"{tier} in {region or 'any region'}"
            sums[name] = sums.get(name, 0.0) + float(hours)
    return ", ".join(f"{name} ({hours:.1f} h a month)" for name, hours in sorted(sums.items()))
