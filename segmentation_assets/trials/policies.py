"""Two policies compared, number by number; and one number of a policy, by its name.

Here: the differences between policies, and which numbers a sweep or a search may vary. Not here: what a difference
does to accounts (`what_if`), or reading a policy (`policy.model`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.section import Section
from segmentation_assets.reasons import WrongUse


class WrongName(WrongUse, ValueError):
    """The name is no number of the policy. The message lists similar names."""


@dataclass(frozen=True)
class Difference:
    """A key of the policy with another value. `name` is its path: `tier.growth_min_arr`."""

    name: str
    before: Any
    after: Any

    @property
    def section(self) -> str:
        """The section of the policy that holds the key."""
        return self.name.partition(".")[0]


def differences(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """The keys whose values differ, in the order of the policy. A list differs as a whole."""
    old, new = dict(_leaves(before.model_dump(mode="json"))), dict(_leaves(after.model_dump(mode="json")))
    return tuple(
        Difference(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )


def changed_sections(before: Policy, after: Policy) -> frozenset[type[Section]]:
    """The sections, by class, whose values differ."""
    old, new = before.sections, after.sections
    return frozenset(section for section in new if old[section].digest != new[section].digest)


def number_named(policy: Policy, name: str) -> float:
    """The value of one number of the policy. Raises WrongName."""
    numbers = {
        path: value
        for path, value in _leaves(policy.model_dump(mode="json"))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if name not in numbers:
        last = name.rpartition(".")[2]
        close = difflib.get_close_matches(name, numbers, n=3, cutoff=0.5)
        close += [path for path in numbers if path.endswith(f".{last}") and path not in close][:3]
        hint = f"; did you mean {' or '.join(close[:3])}?" if close else ""
        raise WrongName(f"{name} is no number of the policy{hint}")
    return numbers[name]


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, f"{at}.{key}" if at else str(key))
    else:
        yield at, value
