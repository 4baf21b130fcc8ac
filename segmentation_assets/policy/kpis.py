"""Policy sections on KPIs: periods, targets, benchmarks, health bands. Not here: how KPIs are defined (`kpis`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Score, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import SEGMENTS, TIERS, Tier

Window = Literal[1, 3, 12]
QUARTER_MONTHS = 3
"""The period over which migration between tiers is measured."""


class RetentionPolicy(Section):
    """The periods that KPIs are measured over."""

    windows_months: tuple[Window, ...]
    """Lengths in months; each period ends on as_of."""
    low_n: Annotated[int, Field(ge=1)]
    """Figures over fewer accounts are flagged."""

    @field_validator("windows_months")
    @classmethod
    def _each_once(cls, value: tuple[Window, ...]) -> tuple[Window, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each window once, at least one")
        if QUARTER_MONTHS not in value:
            raise ValueError(f"the window of {QUARTER_MONTHS} months is missing: migration is measured over it")
        return value


Source = Annotated[str, Field(min_length=1)]
"""Where a figure comes from: a publication, a plan, or this policy itself."""
Year = Annotated[int, Field(ge=1990, le=2100)]


class Target(Section):
    """The target of a KPI: at least `low`. `high` is the upper end of the target range, not a limit."""

    low: NotNegative
    high: NotNegative | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        return self


Kpi = Literal[
    "nrr", "grr", "renewal_grr", "logo_retention", "logo_churn", "expansion_rate", "expansion_share", "quick_ratio",
    "arr_growth", "time_to_first_expansion_months", "healthy_share", "risk_share", "cost_share_of_arr",
    "gross_margin_share", "self_service_ratio", "utilisation", "cac_payback_months", "magic_number",
]  # fmt: skip
SCORED_KPIS: tuple[str, ...] = get_args(Kpi)
"""The KPIs of `kpi_scorecard`."""
KpiGrouping = Literal["company", "coverage_tier", "segment"]
_MEMBERS: Mapping[KpiGrouping, tuple[str, ...]] = {
    "company": ("company",), "coverage_tier": TIERS, "segment": SEGMENTS,
}  # fmt: skip


class Goal(Section):
    """The target of any KPI: at least, at most, or between two values."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a target needs at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at_most {self.at_most} is below at_least {self.at_least}")
        return self


class TargetPolicy(Section):
    """Targets by coverage tier. A tier without a target is not judged."""

    window_months: Window
    """The length of the periods that the targets are for."""
    source: Source
    """Who set the targets; `year` is when."""
    year: Year
    nrr: dict[Tier, Target]
    grr: dict[Tier, Target]
    others: dict[KpiGrouping, dict[str, dict[Kpi, Goal]]]
    """Targets of other KPIs, of the company, a coverage tier or a segment: grouping, member, KPI. Those of NRR and
    GRR of tiers stand above."""

    @field_validator("others")
    @classmethod
    def _members_exist(
        cls, value: dict[KpiGrouping, dict[str, dict[Kpi, Goal]]]
    ) -> dict[KpiGrouping, dict[str, dict[Kpi, Goal]]]:
        for grouping, members in value.items():
            for member, kpis in members.items():
                if member not in _MEMBERS[grouping]:
                    raise ValueError(f"{grouping}: {member} is none of {', '.join(_MEMBERS[grouping])}")
                if grouping == "coverage_tier" and {"nrr", "grr"} & {*kpis}:
                    raise ValueError(f"{member}: the targets of NRR and GRR of a tier stand in targets.nrr and .grr")
        return value

    @field_validator("grr")
    @classmethod
    def _at_most_one(cls, value: dict[Tier, Target]) -> dict[Tier, Target]:
        for tier, target in value.items():
            if target.low > 1:
                raise ValueError(f"{tier}: gross retention is never above 1, found {target.low}")
        return value


class Benchmark(Section):
    """What other companies reach: a range (low = high for a single figure), with its source and year."""

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
    """Published figures of other companies. They are shown beside a KPI; only targets judge it."""

    window_months: Window
    """The length of our periods that the yearly figures are compared with."""
    nrr: Benchmark
    """Median of the companies."""
    nrr_top_quartile: Benchmark
    nrr_elite: Benchmark
    arr_growth: Benchmark
    expansion_share: Benchmark
    """Expansion as a share of new ARR; median of the companies."""
    expansion_share_top: Benchmark
    monthly_logo_churn: Benchmark
    top_accounts_share: Share
    """Share of accounts that count as the largest in the next two figures."""
    top_accounts_arr_share: Benchmark
    top_accounts_expansion_share: Benchmark
    strong_usage_expansion_lift: Benchmark
    best_csm_lift: Benchmark
    downgrade_to_churn_months: Benchmark


class HealthBandPolicy(Section):
    """The health scores that count as healthy, watch and at risk."""

    healthy_from: Score
    watch_from: Score
    """Below is at risk."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.watch_from > self.healthy_from:
            raise ValueError("watch_from must not be above healthy_from: the bands would overlap")
        return self


class SurvivalPolicy(Section):
    """The confidence of intervals around median durations."""

    confidence: Annotated[float, Field(gt=0, lt=1)]


class MigrationPolicy(Section):
    """How far back migration between tiers is followed."""

    lag_quarters: Annotated[int, Field(ge=1, le=20)]
    """Downgrades of up to this many quarters ago are followed, to measure how long before churn they come."""


class ProductivityPolicy(Section):
    """How much of a CSM's contracted hours is time for customers: productive_share × (1 - admin_share)."""

    productive_share: Share
    """Share of contracted hours that is left after leave, training and illness."""
    admin_share: Share
    """Share of these hours that goes into internal work."""
