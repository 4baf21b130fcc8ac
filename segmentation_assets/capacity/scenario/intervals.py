"""Arithmetic of figures with known bounds only. Not here: what the figures mean."""

from __future__ import annotations

from dataclasses import dataclass

ROUNDING = 1e-9
"""Tolerance for floating point, where 1 - 1 may not be exactly 0."""


@dataclass(frozen=True)
class Interval:
    """All values a figure can have. A known number has equal ends."""

    low: float
    high: float

    @property
    def is_point(self) -> bool:
        """One value only."""
        return self.low == self.high

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def times(self, factor: float) -> Interval:
        """Every value times a factor that is not negative."""
        return Interval(self.low * factor, self.high * factor if factor else 0.0)

    def meets(self, other: Interval, tolerance: float) -> bool:
        """Whether the two overlap, with a tolerance as a share of the other's ends."""
        above = other.high + tolerance * abs(other.high) + ROUNDING
        below = other.low - tolerance * abs(other.low) - ROUNDING
        return self.low <= above and self.high >= below


def point(value: float) -> Interval:
    """A number that is known."""
    return Interval(float(value), float(value))


def growth_of(before: Interval, after: Interval) -> Interval:
    """after / before - 1; `before` is above 0."""
    return Interval(after.low / before.high - 1, after.high / before.low - 1)
