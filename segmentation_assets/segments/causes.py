"""Why an account moved: the fewest inputs whose old values would undo the move.

Here: the search for these inputs. Not here: the rules themselves (`rules`, `tiers`), or sentences about a move
(`reading.explanations`).

The search takes the inputs with which the rules last gave the old segment (or tier). It sets one input of today back
to its old value, then two, and so on, until the rules give the old segment again. Among sets of the same size, the
first wins, in the order of `stability`'s lists of inputs.
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
"""Kinds of inputs: the account's usage and health, its revenue and value, other accounts, or facts about it."""
RE_ANCHORED, POLICY, RESTATED = "re_anchored", "policy", "restated"
"""Causes that are no input: the turn of a quarter, a new policy, or new data or code for days announced before."""
RELABELLED = {
    POLICY: "the policy changed",
    RESTATED: "data or code changed for days announced before",
}
"""Causes of changes that are no move of the account, in words."""
RELABELS = tuple(RELABELLED)
KINDS = ("segment", "tier")
"""What an account moves in."""


@dataclass(frozen=True)
class Input:
    """An input of the rules: its name, its kind, the fields that hold it, and its format."""

    name: str
    kind: str
    fields: tuple[str, ...]
    shown: str
    """The field whose value is shown."""
    form: Callable[[Any, int], str]
    """Formats a value with a number of digits."""


def words(names: Sequence[str], missing: str = "unknown") -> Callable[[Any, int], str]:
    """A formatter of codes: the name of each code."""
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
    """Per moved account: the first input, its kind, and all inputs in words; None: no inputs undo the move."""

    inputs: Texts
    kinds: Texts
    texts: Texts


def causes_of(
    now: Any, before: Any, inputs: Sequence[Input], decide: Callable[[Any, Codes], Codes], old: Codes
) -> Causes:
    """Causes of the moves of accounts.

    `now` and `before` are the rules' inputs, as dataclasses of arrays. `old` is what `decide` gave before. `decide`
    gets it, too: the rules keep an account more easily than they take it. All sets of a size are decided at once.
    """
    size = len(old)
    chosen: list[tuple[Input, ...] | None] = [None] * size
    rows = np.arange(size)
    for count in range(1, len(inputs) + 1):
        if not len(rows):
            break
        subsets = list(combinations(inputs, count))
        wanted = np.tile(old[rows], len(subsets))
        undoes = (decide(_each_changed_back(now, before, subsets, rows), wanted) == wanted).reshape(len(subsets), -1)
        is_undone = undoes.any(axis=0)
        for row, first in zip(rows[is_undone], undoes.argmax(axis=0)[is_undone], strict=True):
            chosen[row] = subsets[first]
        rows = rows[~is_undone]
    causes = Causes(*(np.full(size, None, dtype=object) for _ in range(3)))
    for i, subset in enumerate(chosen):
        if subset is not None:
            causes.inputs[i], causes.kinds[i] = subset[0].name, subset[0].kind
            causes.texts[i] = "; ".join(_text_of(each, now, before, i) for each in subset)
    return causes


def _each_changed_back(now: Any, before: Any, subsets: Sequence[Sequence[Input]], rows: npt.NDArray[np.intp]) -> Any:
    """`now` of these rows once for each set of inputs, one after the other, each with its set as it was `before`."""
    changed = [changed_back(at(now, rows), at(before, rows), subset) for subset in subsets]
    return replace(now, **{name: np.concatenate([getattr(one, name) for one in changed]) for name in vars(now)})


def changed_back(now: Any, before: Any, inputs: Sequence[Input]) -> Any:
    """`now`, with these inputs as they were `before`."""
    return replace(now, **{name: getattr(before, name) for each in inputs for name in each.fields})


def _text_of(each: Input, now: Any, before: Any, at: int) -> str:
    """An input with its old and new value, with as many digits as show the difference."""
    old, new = getattr(before, each.shown)[at], getattr(now, each.shown)[at]
    texts: Mapping[int, tuple[str, str]] = {n: (each.form(old, n), each.form(new, n)) for n in range(5)}
    digits = next((n for n, (a, b) in texts.items() if a != b), 0)
    a, b = texts[digits]
    return f"{each.name.replace('_', ' ')} {a} to {b}"


def at(part: Any, rows: npt.NDArray[np.intp]) -> Any:
    """The entries `rows` of a dataclass of arrays."""
    return replace(part, **{name: values[rows] for name, values in vars(part).items()})


def is_peers_value(now_value: Floats, old_value: Floats) -> npt.NDArray[np.bool_]:
    """Whether the account's own value is unchanged, so that a change of its rank comes from other accounts."""
    return np.isclose(now_value, old_value, rtol=0.005, atol=0.01, equal_nan=True)
