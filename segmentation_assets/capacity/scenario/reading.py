"""Reading a scenario file, and reporting its errors. Not here: its contents (`model`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from segmentation_assets.capacity.scenario.model import Figure, Scenario, interval
from segmentation_assets.capacity.scenario.words import RATIOS
from segmentation_assets.policy.capacity import ScenarioPolicy
from segmentation_assets.policy.lines import Lines, explained, place_of, read_with_lines
from segmentation_assets.reasons import Refusal

_OF_A_TIME = {"nrr", "grr", "expansion"}
"""Figures that need `when`: before or after."""
_LOWEST = {"expansion_growth": -1.0, "arr_growth": -1.0, "expansion_increment": -math.inf}
"""The least value of a figure; 0 for all others."""
_HIGHEST = {"grr": 1.0, "accounts_share": 1.0, "arr_share": 1.0}
"""The highest value of a figure, whatever the policy."""
_KINDS = {"number", "bounds"}


class ScenarioError(Refusal, ValueError):
    """The scenario file cannot be computed; one line per problem."""


def read_scenario(path: Path, policy: ScenarioPolicy) -> Scenario:
    """Raises ScenarioError, one line per problem with file and line number.

    Problems are a missing file, broken YAML, a key that is missing, unknown, not a number or out of range, and a
    claim about a tier that the file does not have.
    """
    data, lines = read_with_lines(path, "name, totals, tiers and stated", ScenarioError)
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_hinted(line) for line in explained(error, lines, str(path)))) from None
    problems = [_with_place(lines, at, problem) for at, problem in _misfits(scenario, policy.highest_nrr)]
    if problems:
        raise ScenarioError("\n".join(problems))
    return scenario


def _hinted(line: str) -> str:
    """A complaint in the file's own words: without the name of the kind of figure, and with what to write instead."""
    place, path, problem = line.split(": ", 2)
    path = ".".join(part for part in path.split(".") if part not in _KINDS)
    is_number = problem.startswith(("Input should be a valid number", "Input should be a valid integer"))
    hint = "; write a plain number such as 1200000 or 1.15" if is_number else ""
    return f"{place}: {path}: {problem}{hint}"


def _with_place(lines: Lines, at: tuple[str, ...], problem: str) -> str:
    return f"{place_of(at, lines)}: {'.'.join(at)}: {problem}"


def _misfits(scenario: Scenario, highest_nrr: float) -> Iterator[tuple[tuple[str, ...], str]]:
    """Inconsistencies between parts that are valid by themselves, as (path, problem)."""
    names = [t.tier for t in scenario.tiers]
    for i, tier in enumerate(scenario.tiers):
        if tier.tier in names[:i]:
            yield ("tiers", str(i), "tier"), f"the tier stands twice, found {tier.tier!r}; give each tier one entry"
        for figure in ("nrr", "expansion", "cost_to_serve"):
            for when in ("before", "after"):
                value = getattr(getattr(tier, figure), when)
                yield from _out_of_range(("tiers", str(i), figure, when), figure, value, highest_nrr)
    for i, claim in enumerate(scenario.stated):
        at = ("stated", str(i))
        if claim.tier is not None and claim.tier not in names:
            yield (*at, "tier"), f"no tier {claim.tier!r}; the tiers are {', '.join(names)}"
        if claim.figure in _OF_A_TIME and claim.when is None:
            yield at, f"{claim.figure} needs `when: before` or `when: after`"
        if claim.figure.endswith("_share") and claim.tier is None:
            yield at, f"{claim.figure} needs a `tier`; the tiers are {', '.join(names)}"
        yield from _out_of_range((*at, "value"), claim.figure, claim.value, highest_nrr)


def _out_of_range(
    at: tuple[str, ...], figure: str, value: Figure | None, highest_nrr: float
) -> Iterator[tuple[tuple[str, ...], str]]:
    values = interval(value)
    if values is None:
        return
    ends = [x for x in (values.low, values.high) if math.isfinite(x)]
    low, high = _LOWEST.get(figure, 0.0), (_HIGHEST | {"nrr": highest_nrr}).get(figure, math.inf)
    if min(ends) < low:
        yield at, f"{figure} is never below {low:g}, found {min(ends):g}"
    if max(ends) > high:
        ratio = "; write a ratio such as 1.10 for 110 %" if figure in RATIOS else ""
        yield at, f"{figure} is never above {high:g}, found {max(ends):g}{ratio}"
