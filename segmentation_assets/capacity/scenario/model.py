"""What a scenario file can state. Not here: reading one, or which values are possible (`reading`)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, model_validator

from segmentation_assets.capacity.scenario.intervals import Interval

When = Literal["before", "after"]
FIGURES = (
    "accounts", "arr", "csms", "accounts_share", "arr_share", "accounts_per_csm", "nrr", "grr", "expansion",
    "expansion_increment", "expansion_growth", "arr_growth", "arr_after",
)  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Number = Annotated[float, Strict()]
"""A plain number: `"10"`, `yes` and `1,000` are refused."""


class Bounds(_Part):
    """A figure of which only a bound is stated."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.at_least is None and self.at_most is None:
            raise ValueError("state at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")
        return self


Figure = Annotated[
    Annotated[Number, Tag("number")] | Annotated[Bounds, Tag("bounds")],
    Discriminator(lambda value: "bounds" if isinstance(value, dict | Bounds) else "number"),
]
Count = Annotated[Number, Field(ge=0)]
Accounts = Annotated[int, Strict(), Field(ge=0)]


class BeforeAfter(_Part):
    """A figure under the old and under the new coverage; None: not stated."""

    before: Figure | None = None
    after: Figure | None = None


class Tier(_Part):
    """One tier of the case. `arr` is at the start of the year, `csms` under the new coverage."""

    tier: str
    accounts: Accounts
    arr: Count
    csms: Count
    nrr: BeforeAfter = BeforeAfter()
    expansion: BeforeAfter = BeforeAfter()
    cost_to_serve: BeforeAfter = BeforeAfter()
    cost_to_serve_change: Annotated[Number, Field(ge=-1)] | None = None
    fte_freed: Count | None = None
    roles: list[str] = []
    """Roles in the tier's new coverage besides CSMs, such as account_executive."""


class Totals(_Part):
    """Stated figures of the whole company before the change."""

    accounts: Annotated[int, Strict(), Field(gt=0)]
    arr: Annotated[Number, Field(gt=0)]
    csms: Annotated[Number, Field(gt=0)]


class Stated(_Part):
    """One claim: a figure of the company, or of a tier."""

    figure: Literal[FIGURES]  # type: ignore[valid-type]
    value: Figure
    when: When | None = None
    tier: str | None = None


class Scenario(_Part):
    """A whole scenario file."""

    name: str
    currency: str = ""
    totals: Totals
    tiers: Annotated[list[Tier], Field(min_length=1)]
    stated: list[Stated] = []


def interval(figure: Figure | None) -> Interval | None:
    """A figure as the values it can have; a ratio or an amount is never below 0 unless stated so."""
    if figure is None:
        return None
    if isinstance(figure, Bounds):
        low = -math.inf if figure.at_least is None else figure.at_least
        return Interval(low, math.inf if figure.at_most is None else figure.at_most)
    return Interval(figure, figure)


def is_point(figure: Figure | None) -> bool:
    """Whether the figure is stated as one number."""
    return isinstance(figure, int | float)
