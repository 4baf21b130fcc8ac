"""The two sides over one sample: what both compute, running them, comparing their tables.

Here: the job both sides get, and one round of them. Not here: measuring a process (`measuring`), options and printing
(`__main__`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import hand_side
from benchmarks.comparing import Comparison, compare
from benchmarks.measuring import Job, Measured, measure
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.profiles import UsagePolicy
from segmentation_assets.tables.as_of import days_read


@dataclass(frozen=True)
class Round:
    """One run of both sides, each in a fresh process and an empty home."""

    chain: Measured
    hand: Measured


def tables_to_compute() -> list[str]:
    """The tables both sides compute, upstream first: those written by hand."""
    by_hand = set(hand_side.tables())
    return [spec.name for spec in CATALOGUE if spec.name in by_hand]


def tables_left_out() -> list[str]:
    """Tables of the chain that are not written by hand: on neither side's clock."""
    by_hand = set(hand_side.tables())
    return [spec.name for spec in CATALOGUE if spec.name not in by_hand]


def job_for(home: Path, sources: Path, days: Sequence[date], memory_limit: str, orchestrated: bool = True) -> Job:
    """The job of one side. Raises ValueError for a policy that the SQL is not written for."""
    policy, tables = load_policy(), tables_to_compute()
    if policy.company.renewal_grace_days or policy.company.timezone != "UTC":
        raise ValueError("the hand-written SQL knows no renewal grace and no other timezone than UTC")
    plan = {name: [str(d) for d in needed] for name, needed in planned(tables, days, policy).items()}
    return Job(home, sources, days, tables, plan, flattened(policy), memory_limit, orchestrated)


def days_to_ask(as_of: date) -> list[date]:
    """`as_of`, where the tables themselves look back at all days that the whole chain needs of them; else those."""
    policy, tables = load_policy(), tables_to_compute()
    needed = planned([spec.name for spec in CATALOGUE], [as_of], policy)
    own = planned(tables, [as_of], policy)
    missing = {day for name in tables if name in own for day in set(needed[name]) - set(own[name])}
    return sorted({as_of, *missing})


def planned(tables: Sequence[str], days: Sequence[date], policy: Policy) -> Mapping[str, list[date]]:
    """Per table split by as_of, the days that the tables at `days` need: what `Builder.plan` gives a home.

    (The builder itself would want an open engine.)
    """
    needs: dict[str, set[date]] = {name: set(days) for name in tables}
    for spec in reversed(CATALOGUE.upstream(tables)):
        for source in spec.inputs:
            for day in needs.get(spec.name, ()):
                needs.setdefault(source.name, set()).update(days_read(source.reads, day, policy.sections))
    return {n: sorted(needs[n]) for n in tables if CATALOGUE[n].partition == "as_of"}


def flattened(policy: Policy) -> dict[str, Any]:
    """The policy's values by dotted name; a mapping of names to values also as a whole."""
    values = dict(_leaves("", policy.model_dump(mode="json")))
    values["usage.look_back_days"] = policy.sections[UsagePolicy].look_back_days  # type: ignore[attr-defined]
    return values


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        if not _has_mapping(value):
            yield prefix, value
        return
    if prefix and value and _is_lookup(value):
        yield prefix, value
    for name, inner in value.items():
        yield from _leaves(f"{prefix}.{name}" if prefix else str(name), inner)


def _is_lookup(value: Mapping[str, Any]) -> bool:
    """Names to numbers, or names to texts: what SQL can look values up in."""
    values = value.values()
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return is_number or all(isinstance(v, str) for v in values)


def _has_mapping(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(v, dict) or _has_mapping(v) for v in value)


def run_round(
    folder: Path, sources: Path, days: Sequence[date], memory_limit: str, orchestrated: bool = True
) -> Round:
    """Run both sides, one after the other, into `folder`/chain and `folder`/hand."""
    sides = {}
    for name, module in (("chain", "benchmarks.chain_side"), ("hand", "benchmarks.hand_side")):
        home = folder / name
        shutil.rmtree(home, ignore_errors=True)
        sides[name] = measure(module, job_for(home, sources, days, memory_limit, orchestrated))
    return Round(**sides)


def compared(folder: Path) -> list[Comparison]:
    """All tables of the last round, held against each other."""
    return [compare(CATALOGUE[name], folder / "chain", folder / "hand") for name in tables_to_compute()]
