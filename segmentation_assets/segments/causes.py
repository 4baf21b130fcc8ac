"""Why an account moved: the inputs that, changed back, would undo it.

Here: finding them, by trying. Not here: the rules themselves (`rules`, `tiers`), or sentences about a move
(`reading.explanations`).

An account moved from where the rules had put it. Of the inputs that have changed since the rules last put it there,
the fewest are named that, set back to what they were, give the old segment (or tier) again. Among sets of one size,
the one with the inputs named first in this file is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from segmentation_assets.segments.standing import UNKNOWN_CODE, Codes, Floats

Texts = npt.NDArray[np.object_]

BEHAVIOUR, REVENUE, PEERS, FACTS = "behaviour", "revenue", "peers", "facts"
CAUSE_KINDS = (BEHAVIOUR, REVENUE, PEERS, FACTS)
"""What lies behind an input: the account's usage and health, its money, other accounts, or facts about it."""


@dataclass(frozen=True)
class Input:
    """One thing that rules read: its name, the fields of the arrays that carry it, and how it is told."""

    name: str
    kind: str
    fields: tuple[str, ...]
    shown: str
    """The field whose value is told."""
    form: Callable[[Any, int], str]
    """A value with so many digits."""


def words(names: Sequence[str], missing: str = "unknown") -> Callable[[Any, int], str]:
    """How a code is told."""
    return lambda code, _: missing if code == UNKNOWN_CODE else names[int(code)]


def score(value: float, digits: int) -> str:
    """A score or percentile."""
    return "unknown" if np.isnan(value) else f"{value:.{digits}f}"


def share(value: float, digits: int) -> str:
    """A share, in percent."""
    return "unknown" if np.isnan(value) else f"{value * 100:.{digits}f}%"


def money(value: float, digits: int) -> str:
    """An amount."""
    return "none" if np.isnan(value) else f"{value:,.{digits}f}"


@dataclass(frozen=True)
class Causes:
    """Per moved account: the first input, what lies behind it, and all of them in words; None: none was found."""

    inputs: Texts
    kinds: Texts
    texts: Texts


def causes_of(now: Any, before: Any, inputs: Sequence[Input], decide: Callable[[Any], Codes], old: Codes) -> Causes:
    """Causes of accounts that moved: `now` and `before` hold their inputs, as dataclasses of arrays; `old` is where
    `decide` put them before."""
    size = len(old)
    chosen: list[tuple[Input, ...] | None] = [None] * size
    open_ = np.ones(size, dtype=bool)
    for count in range(1, len(inputs) + 1):
        for subset in combinations(inputs, count):
            if not open_.any():
                break
            undoes = open_ & (decide(changed_back(now, before, subset)) == old)
            for i in np.flatnonzero(undoes):
                chosen[i] = subset
            open_ &= ~undoes
    causes = Causes(*(np.full(size, None, dtype=object) for _ in range(3)))
    for i, subset in enumerate(chosen):
        if subset is not None:
            causes.inputs[i], causes.kinds[i] = subset[0].name, subset[0].kind
            causes.texts[i] = "; ".join(_text_of(each, now, before, i) for each in subset)
    return causes


def changed_back(now: Any, before: Any, inputs: Sequence[Input]) -> Any:
    """`now`, with these inputs as they were `before`."""
    return replace(now, **{name: getattr(before, name) for each in inputs for name in each.fields})


def _text_of(each: Input, now: Any, before: Any, at: int) -> str:
    """An input with its value before and now, in as many digits as it takes to see the difference."""
    old, new = getattr(before, each.shown)[at], getattr(now, each.shown)[at]
    texts: Mapping[int, tuple[str, str]] = {n: (each.form(old, n), each.form(new, n)) for n in range(5)}
    digits = next((n for n, (a, b) in texts.items() if a != b), 0)
    a, b = texts[digits]
    return f"{each.name.replace('_', ' ')} {a} to {b}"


def at(part: Any, rows: npt.NDArray[np.intp]) -> Any:
    """Some accounts of a dataclass of arrays."""
    return replace(part, **{name: values[rows] for name, values in vars(part).items()})


def is_peers_value(now_value: Floats, old_value: Floats) -> npt.NDArray[np.bool_]:
    """Whether the account's own value is what it was, so that a change of its rank comes from others."""
    return np.isclose(now_value, old_value, rtol=0.005, atol=0.01, equal_nan=True)
