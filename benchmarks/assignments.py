"""The assignment of CSMs at scale: seconds, distance from the bound, continuity.

Here: a made-up company whose portfolios have drifted, and the measurement. Not here: the optimiser
(`segmentation_assets.capacity.optimiser`), or any other benchmark.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, Findings, Scale
from segmentation_assets.capacity.optimiser import Account, Csm, assign
from segmentation_assets.policy.model import load_policy

ACCOUNTS, CSMS = 50_000, 200
SEEDS = (2, 5, 7)
"""Companies measured: whole accounts of some cost much more than parts of them would, of others hardly more."""
MOST_SECONDS = 30.0
MOST_GAP = 2.0
LEAST_KEPT = 95.0
_TIERS = ("Strategic", "Growth", "Core", "Long-Tail")
_MIX = (0.01, 0.07, 0.22, 0.70)
_REGIONS = ("north_america", "emea", "apac")
_REGION_MIX = (0.5, 0.35, 0.15)
_INDUSTRIES = tuple(f"industry_{i}" for i in range(8))
_LEFT_SHARE = 0.02
_UNKNOWN_SHARE = 0.03
_LOAD = 0.95


def company(accounts: int, csms: int, seed: int = 7) -> tuple[list[Account], list[Csm]]:
    """Accounts with the CSM they had, drifted: CSMs have left, accounts changed tier or were never assigned.

    The CSMs' hours and FTE are scaled so that they carry `_LOAD` of what is demanded.
    """
    rng = np.random.default_rng(seed)
    policy = load_policy()
    tier = rng.choice(len(_TIERS), accounts, p=_MIX)
    region = rng.choice(len(_REGIONS), accounts, p=_REGION_MIX)
    industry = rng.choice(len(_INDUSTRIES), accounts)
    override = rng.random(accounts) < _UNKNOWN_SHARE
    hours = np.array([policy.care.hours_per_month(t) for t in _TIERS])[tier]  # pyright: ignore[reportArgumentType]
    hours = hours + policy.care.override_hours_per_month * (override & (tier < len(_TIERS) - 1))
    shares = np.array([1 / (policy.coverage.ratios[t].accounts_per_csm or np.inf) for t in _TIERS])[tier]
    team = _team(rng, csms)
    # Nobody gave all accounts without hours to one CSM: a portfolio is as full as its hours or its ratio says.
    had = _portfolios(rng, tier, region, np.maximum(hours, shares * hours.sum() / shares.sum()), team)
    stay = rng.random(csms) >= _LEFT_SHARE
    there = sum(c.hours for c, stays in zip(team, stay, strict=True) if stays)
    people = [
        replace(c, hours=c.hours * hours.sum() / _LOAD / there, fte=c.hours * shares.sum() / _LOAD / there)
        for c, stays in zip(team, stay, strict=True)
        if stays
    ]
    rows = [
        Account(
            f"A{i:06}", _TIERS[tier[i]], float(hours[i]), float(shares[i]), _REGIONS[region[i]],
            _INDUSTRIES[industry[i]], None if rng.random() < _UNKNOWN_SHARE else team[had[i]].csm_id,
        )
        for i in range(accounts)
    ]  # fmt: skip
    return rows, people


def _team(rng: np.random.Generator, csms: int) -> list[Csm]:
    """CSMs over the regions as the accounts are; a third senior, some part-time, two to four industries each."""
    regions = np.repeat(np.arange(len(_REGIONS)), np.ceil(np.array(_REGION_MIX) * csms).astype(int))[:csms]
    hours = rng.choice([0.8, 1.0], csms)
    return [
        Csm(
            f"C{i:04}", float(hours[i]), 1.0, "senior" if i % 3 == 0 else "associate", _REGIONS[regions[i]],
            frozenset(rng.choice(_INDUSTRIES, rng.integers(2, 5), replace=False).tolist()),
        )
        for i in range(csms)
    ]  # fmt: skip


def _portfolios(
    rng: np.random.Generator, tier: np.ndarray, region: np.ndarray, hours: np.ndarray, team: list[Csm]
) -> np.ndarray:
    """The CSM of each account before the drift: the least loaded who fitted, in random order of accounts."""
    loads = np.zeros(len(team))
    of_region = [np.array([i for i, c in enumerate(team) if c.region == r]) for r in _REGIONS]
    seniors = [np.array([i for i in group if team[i].level == "senior"]) for group in of_region]
    had = np.zeros(len(tier), dtype=int)
    order = rng.permutation(len(tier))
    for i in order[np.argsort(tier[order], kind="stable")]:
        group = seniors[region[i]] if tier[i] == 0 else of_region[region[i]]
        had[i] = group[np.argmin(loads[group])]
        loads[had[i]] += hours[i] / team[had[i]].hours
    return had


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Assign made-up companies under the default policy: how long, how near the bound, and who could stay and did.

    The gap is to the linear program over all pairs of accounts and CSMs. A tenth of a company (the quick check) has
    fewer CSMs among whom to even out what whole accounts leave: no limit on its gap.
    """
    del folder
    accounts, csms = (ACCOUNTS // 10, CSMS // 10) if scale.quick else (ACCOUNTS, CSMS)
    figures, details = [Figure("accounts", accounts), Figure("CSMs", csms)], []
    for seed in SEEDS[:1] if scale.quick else SEEDS:
        tell(f"{accounts:,} accounts to {csms} CSMs, company {seed}")
        measured, detail = _measured(*company(accounts, csms, seed), f"company {seed}", scale)
        figures += measured
        details.append(detail)
    return Findings(figures, details)


def _measured(rows: list[Account], people: list[Csm], name: str, scale: Scale) -> tuple[list[Figure], str]:
    policy = load_policy().assignment
    started, cpu = time.perf_counter(), time.process_time()
    assignment = assign(rows, people, policy)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    kept = sum(assignment.csm_of[a.account_id] == a.csm_id for a in rows if a.account_id in assignment.could_stay)
    overload = sum(load.overload_hours for load in assignment.loads.values())
    fullest = max(load.load_share for load in assignment.loads.values())
    gap = 100 * assignment.gap if assignment.gap is not None else float("nan")
    return [
        Figure(f"{name}: assigned in", seconds, "s", at_most=MOST_SECONDS),
        Figure(f"{name}: above the bound", gap, "%", at_most=scale.at_full(MOST_GAP)),
        Figure(f"{name}: kept of those who could stay", 100 * kept / max(len(assignment.could_stay), 1), "%",
               at_least=LEAST_KEPT),
        Figure(f"{name}: unassigned", sum(c is None for c in assignment.csm_of.values())),
    ], (
        f"{name}: {cpu:.1f} s of CPU; overload {overload:,.1f} h a month; the fullest CSM at {100 * fullest:.0f} %"
    )  # fmt: skip
