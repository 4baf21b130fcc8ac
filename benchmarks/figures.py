"""What a part of the benchmark is told and what it gives back.

Here: the size to measure at, a figure beside its target, what a part found. Not here: any measurement, or how
figures are printed (`__main__`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

AS_OF = date(2026, 6, 30)
"""Last day of every company that is made for measuring."""


@dataclass(frozen=True)
class Scale:
    """How large to measure: `rounds` of it, and whether this is the quick check, whose size is not the target's."""

    accounts: int = 10_000
    users_per_account: int = 5
    days: int = 730
    rounds: int = 3
    memory_limit: str = "3GB"
    quick: bool = False

    def at_full(self, target: float) -> float | None:
        """A target that is stated for the full size: none in a quick check."""
        return None if self.quick else target


@dataclass(frozen=True)
class Figure:
    """A measured value beside its target; without a target it is shown and not judged."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a target. Not a number misses every target."""
        if self.at_most is None and self.at_least is None:
            return None
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def shown(self) -> str:
        """The value with its unit."""
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:,.2f}"
        return f"{number} {self.unit}".rstrip()

    @property
    def target(self) -> str:
        """The target in words."""
        bounds = ((self.at_most, "≤"), (self.at_least, "≥"))
        return " and ".join(f"{sign} {bound:g} {self.unit}".rstrip() for bound, sign in bounds if bound is not None)


@dataclass(frozen=True)
class Findings:
    """What a part found: figures, and lines that say what stands behind them."""

    figures: Sequence[Figure]
    details: Sequence[str] = field(default_factory=tuple)


class Part(Protocol):
    """A module that measures something, in a process and a folder of its own."""

    def measure(self, scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
        """Measure; `tell` hears what is being done. Raises RuntimeError for what cannot be measured."""
        ...
