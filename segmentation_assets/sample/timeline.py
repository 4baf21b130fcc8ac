"""The sample's calendar: days as integers since 1970-01-01, months as indexes from the first billed month.

Belongs here: arithmetic on days and months, and the random streams that keep every part independent of the others.
Not here: anything about accounts.
"""

import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

BILLING_MONTHS = 60
FUTURE_MONTHS = 4  # simulated beyond the end, so that the truth knows what happens next
NEVER = 10**7  # a day later than every other
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The date of a day number."""
    return _EPOCH + timedelta(days=int(number))


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The random stream of one part: the same for the same seed and names, whatever else was drawn."""
    words = [zlib.crc32(name.encode()) if isinstance(name, str) else name for name in names]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


@dataclass(frozen=True)
class Timeline:
    """The window of the activity extracts, `days` long and closed by `end`, inside the billed months."""

    end: date
    days: int

    @cached_property
    def last_day(self) -> int:
        """Number of the `end` day."""
        return day_number(self.end)

    @cached_property
    def first_day(self) -> int:
        """Number of the first day of the activity window."""
        return self.last_day - self.days + 1

    @cached_property
    def months(self) -> int:
        """Billed months, the one that holds `end` included."""
        first = day_of(self.first_day)
        window = (self.end.year - first.year) * 12 + self.end.month - first.month
        return max(BILLING_MONTHS, window) + 1

    @cached_property
    def month_starts(self) -> Ints:
        """First day of each simulated month, future ones and one more included."""
        last = np.datetime64(self.end, "M")
        months = np.arange(last - (self.months - 1), last + FUTURE_MONTHS + 2)
        return months.astype("datetime64[D]").astype(np.int64)

    @property
    def simulated(self) -> int:
        """Billed months and the future ones."""
        return self.months + FUTURE_MONTHS

    @cached_property
    def month_ends(self) -> Ints:
        """Last day of each simulated month."""
        return self.month_starts[1:] - 1

    @cached_property
    def snapshot_days(self) -> Ints:
        """The day whose close stands for each billed month: its last day, or `end` in the last one."""
        return np.minimum(self.month_ends[: self.months], self.last_day)

    def month_of(self, days: Ints) -> Ints:
        """Index of the month that holds each day; -1 before the first."""
        return np.searchsorted(self.month_starts, days, side="right") - 1

    @cached_property
    def window_months(self) -> Ints:
        """Months that touch the activity window."""
        first = int(self.month_of(np.array([self.first_day]))[0])
        return np.arange(first, self.months)

    @cached_property
    def drop_days(self) -> list[int]:
        """Days of the full drops of slowly changing extracts: the first day, month-ends, the last day."""
        ends = [int(d) for d in self.month_ends if self.first_day < d < self.last_day]
        return sorted({self.first_day, *ends, self.last_day})
