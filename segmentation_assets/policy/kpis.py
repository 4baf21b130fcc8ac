"""Policy sections on KPIs: windows, targets, benchmarks, health bands.

Here: what KPIs are measured over, and what they are held against. Not here: how they are defined (`kpis`).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Score, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import Tier

Window = Literal[1, 3, 12]
QUARTER_MONTHS = 3
"""The window that migration between tiers is told over."""


class RetentionPolicy(Section):
    """The periods that KPIs are measured over."""

    windows_months: tuple[Window, ...]
    """Lengths in months; each period ends at as_of."""
    low_n: Annotated[int, Field(ge=1)]
    """Figures over fewer accounts carry a flag."""

    @field_validator("windows_months")
    @classmethod
    def _each_once(cls, value: tuple[Window, ...]) -> tuple[Window, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each window once, at least one")
        if QUARTER_MONTHS not in value:
            raise ValueError(f"the window of {QUARTER_MONTHS} months must be there: migration is told over it")
        return value


Source = Annotated[str, Field(min_length=1)]
"""Where a figure comes from: a publication, a plan, or that it is this policy's own."""
Year = Annotated[int, Field(ge=1990, le=2100)]


class Target(Section):
    """What a KPI should be: at least `low`; `high` is the upper end of the aim, not a limit."""

    low: NotNegative
    high: NotNegative | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        return self


class TargetPolicy(Section):
    """Targets by coverage tier, for periods of one length. A tier without a target is not judged."""

    window_months: Window
    source: Source
    year: Year
    """Who set them, and when."""
    nrr: dict[Tier, Target]
    grr: dict[Tier, Target]

    @field_validator("grr")
    @classmethod
    def _at_most_one(cls, value: dict[Tier, Target]) -> dict[Tier, Target]:
        for tier, target in value.items():
            if target.low > 1:
                raise ValueError(f"{tier}: gross retention is never above 1, found {target.low}")
        return value


class Benchmark(Section):
    """What other companies reach: a band (low = high where one figure is published), and who says so when."""

    low: NotNegative
    high: NotNegative
    source: Source
    year: Year

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        return self


class BenchmarkPolicy(Section):
    """Published figures of whole companies. Shown beside a KPI; only targets judge it."""

    window_months: Window
    """Periods that the yearly figures are compared with."""
    nrr: Benchmark
    """Median of companies."""
    nrr_top_quartile: Benchmark
    nrr_elite: Benchmark
    arr_growth: Benchmark
    expansion_share: Benchmark
    """Share of expansion in new ARR, at the median."""
    expansion_share_top: Benchmark
    monthly_logo_churn: Benchmark
    top_accounts_share: Share
    """The largest accounts that the next two are about."""
    top_accounts_arr_share: Benchmark
    top_accounts_expansion_share: Benchmark
    strong_usage_expansion_lift: Benchmark
    best_csm_lift: Benchmark
    downgrade_to_churn_months: Benchmark


class HealthBandPolicy(Section):
    """Health scores that count as healthy, to be watched, and at risk."""

    healthy_from: Score
    watch_from: Score
    """Below is at risk."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.watch_from > self.healthy_from:
            raise ValueError("watch_from must not be above healthy_from: the bands would overlap")
        return self


class SurvivalPolicy(Section):
    """How medians of durations are estimated."""

    confidence: Annotated[float, Field(gt=0, lt=1)]


class MigrationPolicy(Section):
    """How long back migration between tiers is followed."""

    lag_quarters: Annotated[int, Field(ge=1, le=20)]
    """Quarters within which a downgrade is looked for, to measure how long it precedes churn."""


class ProductivityPolicy(Section):
    """How much of a CSM's contracted hours is time for customers."""

    productive_share: Share
    """After leave, training, illness."""
    admin_share: Share
    """Of the rest, internal work."""
