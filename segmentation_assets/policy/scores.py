"""Policy sections of the dimension scores, one per table, and the shapes they share.

Here: scales, points per word, weights, ordered rules, and the sections of firmographic, technographic, behavioral,
needs and health scores and of churn risk. Not here: value and expansion (`value`), or how a score is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from segmentation_assets.policy.company import Days, NotNegative, Positive, Score
from segmentation_assets.policy.section import Section

FULL_WEIGHT = 100.0


def _ascending(knots: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if len(knots) < 2:
        raise ValueError("a scale needs at least two knots [input, points]")
    for (left, _), (right, _) in pairwise(knots):
        if not left < right:
            raise ValueError(f"the inputs of a scale must rise from knot to knot: {left:g} then {right:g}")
    return knots


Scale = Annotated[tuple[tuple[float, Score], ...], AfterValidator(_ascending)]
"""Knots [input, points 0-100], inputs rising: points run linearly between knots and stay flat beyond them."""


class WordPoints(Section):
    """Points 0-100 per word (case does not matter); `other` is for a word not named here."""

    points: dict[str, Score]
    other: Score

    @model_validator(mode="after")
    def _each_word_once(self) -> Self:
        words = [word.strip().lower() for word in self.points]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"the same word stands twice: {', '.join(twice)}")
        return self


class Weights(Section):
    """Weights of a score's parts, a field each; they sum to 100."""

    @model_validator(mode="after")
    def _sum(self) -> Self:
        total = sum(value for _, value in self)
        if abs(total - FULL_WEIGHT) > 1e-9:
            raise ValueError(f"the weights must sum to {FULL_WEIGHT:g}, they sum to {total:g}")
        return self


class SizeBand(Section):
    """Where the upper size classes begin; what is below is smb. Closed below, open above."""

    mid_market_from: Positive
    enterprise_from: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.mid_market_from < self.enterprise_from:
            raise ValueError("mid_market_from must be below enterprise_from: the bands would overlap")
        return self


class SizePoints(Section):
    """Points 0-100 per size class."""

    smb: Score
    mid_market: Score
    enterprise: Score


class FirmographicWeights(Weights):
    """Weights of the firmographic score."""

    size: NotNegative
    industry: NotNegative
    region: NotNegative
    business_model: NotNegative
    funding_stage: NotNegative
    buying_cycle: NotNegative


class FirmographicPolicy(Section):
    """Size classes and the points of who an account is."""

    employees: SizeBand
    annual_revenue: SizeBand
    """In reporting currency; it decides only where employees are unknown."""
    weights: FirmographicWeights
    size: SizePoints
    industry: WordPoints
    region: WordPoints
    business_model: WordPoints
    funding_stage: WordPoints
    buying_cycle_days: Scale


class TechnographicWeights(Weights):
    """Weights of the technographic score."""

    integration: NotNegative
    displacing: NotNegative
    sophistication: NotNegative
    consolidation: NotNegative


class StancePoints(Section):
    """Points 0-100 per stance of the stack towards ours."""

    displacing: Score
    complementing: Score
    neutral: Score


class ConsolidationPoints(Section):
    """Points 0-100 per direction of the number of tools."""

    consolidating: Score
    steady: Score
    expanding: Score


class TechnographicPolicy(Section):
    """Points of an account's technology."""

    weights: TechnographicWeights
    complementary_tools: Scale
    displacing: StancePoints
    sophistication: Scale
    consolidation: ConsolidationPoints


class Condition(Section):
    """One test of one measure; all bounds given must hold. An unknown measure fails every test but `known: false`."""

    texts: ClassVar[frozenset[str]] = frozenset()
    """Measures that are words: tested by `one_of`, the others by bounds."""

    measure: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] | None = None
    known: bool | None = None

    @model_validator(mode="after")
    def _testable(self) -> Self:
        bounds = [b for b in (self.at_least, self.above, self.at_most, self.below) if b is not None]
        if not bounds and self.one_of is None and self.known is None:
            raise ValueError(f"no test of {self.measure}: give at_least, above, at_most, below, one_of or known")
        if bounds and self.measure in self.texts:
            raise ValueError(f"{self.measure} is a word: test it with one_of or known")
        if self.one_of is not None and self.measure not in self.texts:
            raise ValueError(f"{self.measure} is a number: test it with at_least, above, at_most or below")
        return self


class BehavioralCondition(Condition):
    """A test of an account's usage."""

    measure: Literal[
        "active_users",
        "prior_active_users",
        "prior_events_without_users",
        "seat_activity",
        "users_trend_net",
        "events_trend_net",
        "score",
    ]
    leave: float | None = None
    """The bound that counts instead for an account that is in the cohort already; without one, the same."""

    @model_validator(mode="after")
    def _leaves_later(self) -> Self:
        if self.leave is None:
            return self
        bounds = self._bounds
        if len(bounds) != 1:
            raise ValueError("leave goes with exactly one of at_least, above, at_most, below")
        ((name, bound),) = bounds.items()
        if self.leave < bound if name in {"at_most", "below"} else self.leave > bound:
            raise ValueError(f"leave {self.leave:g} must not be stricter than {name} {bound:g}")
        return self

    @property
    def _bounds(self) -> dict[str, float]:
        bounds = {name: getattr(self, name) for name in ("at_least", "above", "at_most", "below")}
        return {name: bound for name, bound in bounds.items() if bound is not None}

    @property
    def for_members(self) -> BehavioralCondition:
        """The condition as it counts for an account that is in the cohort already."""
        if self.leave is None:
            return self
        return self.model_copy(update=dict.fromkeys(self._bounds, self.leave))


class CohortRule(Section):
    """A named reason to be in a cohort: all its conditions hold."""

    name: str
    all_of: Annotated[tuple[BehavioralCondition, ...], Field(min_length=1)]


class Cohort(Section):
    """A cohort: one of its rules holds. The last cohort has none: it takes the others."""

    name: str
    after_onboarding: bool = False
    """Accounts that are still onboarding are not judged by its rules."""
    any_of: tuple[CohortRule, ...] = ()


class BehavioralWeights(Weights):
    """Weights of the behavioral score."""

    seat_activity: NotNegative
    depth: NotNegative
    breadth: NotNegative
    trend: NotNegative
    consistency: NotNegative
    self_service: NotNegative
    engagement: NotNegative


class BehavioralPolicy(Section):
    """The behavioral score's weights and scales, and the cohorts in order."""

    weights: BehavioralWeights
    seat_activity: Scale
    depth: Scale
    """Key-feature events per active user in 28 days."""
    breadth: Scale
    """Mean of the shares of paid features and of departments in use."""
    trend: Scale
    """Mean of the trends of users, events and minutes, net of the company median."""
    consistency: Scale
    self_service: Scale
    engagement: Scale
    """Touches in 90 days."""
    cohorts: Annotated[tuple[Cohort, ...], Field(min_length=3, max_length=5)]

    @model_validator(mode="after")
    def _decidable(self) -> Self:
        _each_once("cohort", [cohort.name for cohort in self.cohorts])
        _each_once("rule", [rule.name for cohort in self.cohorts for rule in cohort.any_of])
        *ruled, last = self.cohorts
        empty = [cohort.name for cohort in ruled if not cohort.any_of]
        if empty:
            raise ValueError(f"{', '.join(empty)}: only the last cohort may have no rule")
        if last.any_of or last.after_onboarding:
            raise ValueError(f"{last.name}: the last cohort takes all others, so it has no rules")
        return self


class NeedsCondition(Condition):
    """A test of what an account needs and reaches."""

    texts: ClassVar[frozenset[str]] = frozenset(
        {"primary_use_case", "maturity", "decision_process", "integration_need", "lifecycle_stage"}
    )
    measure: Literal[
        "primary_use_case",
        "maturity",
        "decision_process",
        "integration_need",
        "lifecycle_stage",
        "products",
        "features_used",
        "feature_breadth_share",
        "departments_active",
        "goals_due",
        "goals_met",
        "goals_met_share",
    ]


NeedsProfile = Literal["Platform", "Expanding use case", "Specific use case", "Basic need", "Value not realized"]


class NeedsRule(Section):
    """A rule that puts an account in a needs profile: all its conditions hold."""

    name: str
    profile: NeedsProfile
    all_of: Annotated[tuple[NeedsCondition, ...], Field(min_length=1)]


class NeedsPolicy(Section):
    """Scores of the needs profiles, and the rules in order: the first that holds decides."""

    scores: dict[NeedsProfile, Score]
    rules: tuple[NeedsRule, ...]
    otherwise: NeedsProfile

    @model_validator(mode="after")
    def _complete(self) -> Self:
        lacking = [profile for profile in get_args(NeedsProfile) if profile not in self.scores]
        if lacking:
            raise ValueError(f"no score for {', '.join(lacking)}")
        _each_once("rule", [rule.name for rule in self.rules])
        return self


class ProductWeights(Weights):
    """Weights of product health."""

    depth: NotNegative
    adoption: NotNegative
    reliability: NotNegative


class RelationshipWeights(Weights):
    """Weights of relationship health."""

    engagement: NotNegative
    responsiveness: NotNegative
    nps: NotNegative
    csat: NotNegative
    sentiment: NotNegative


class FinancialWeights(Weights):
    """Weights of financial health."""

    payments: NotNegative
    overdue: NotNegative
    budget: NotNegative


class HealthWeights(Weights):
    """Weights of overall health."""

    product: NotNegative
    relationship: NotNegative
    outcome: NotNegative
    financial: NotNegative


class ProductHealth(Section):
    """Weights and scales of product health."""

    weights: ProductWeights
    depth: Scale
    """Key-feature events per active user in 28 days."""
    adoption: Scale
    """Seat activity."""
    reliability: Scale
    """Errors per event."""


class RelationshipHealth(Section):
    """Weights and scales of relationship health."""

    weights: RelationshipWeights
    engagement: Scale
    """Touches and meetings in 90 days."""
    responsiveness: Scale
    nps: Scale
    csat: Scale
    """1 to 5."""
    sentiment: Scale
    """-1 to 1."""


class OutcomeHealth(Section):
    """Scale of outcome health."""

    goals: Scale
    """Share of due goals that are met."""


class FinancialHealth(Section):
    """Weights and scales of financial health."""

    weights: FinancialWeights
    payments: Scale
    """Mean days late."""
    overdue: Scale
    """Days that the oldest unpaid invoice is overdue."""
    budget: Scale
    """Sum of the weights of bad external signals, 0 or less."""


class HealthPolicy(Section):
    """The four kinds of health and how they make one."""

    weights: HealthWeights
    cap_above_weakest: NotNegative
    """Overall health is at most so many points above the weakest dimension."""
    product: ProductHealth
    relationship: RelationshipHealth
    outcome: OutcomeHealth
    financial: FinancialHealth


class Overdue(Section):
    """Log-odds of an invoice overdue for more than so many days."""

    more_than_days: Days
    log_odds: float


class BadSentiment(Section):
    """Log-odds of ticket sentiment below a bound."""

    below: Annotated[float, Field(ge=-1, le=1)]
    log_odds: float


class RenewalAhead(Section):
    """Log-odds of a renewal within so many days."""

    within_days: Days
    log_odds: float


class ChurnBase(Section):
    """How the base of the log-odds is fitted to the accounts that left in past windows."""

    fallback: float
    """The base where too few accounts left for a fit."""
    min_leavers: Annotated[int, Field(ge=1)]
    """Accounts that must have left in the windows for a fit."""
    windows: Annotated[int, Field(ge=1, le=8)]
    """Past windows that the fit looks at, each of the horizon's full weeks; four of 13 weeks are a year."""
    size_spread: NotNegative
    """How far the effect of size may lie from none: the standard deviation of its prior. 0 = size has no effect."""


class ChurnCalibration(Section):
    """When predicted churn is too far from the churn that came."""

    lowest_ratio: Positive
    highest_ratio: Positive
    """Predicted / observed below the one or above the other is a warning."""
    past_days: Annotated[int, Field(ge=1, le=8)]
    """Past days that are compared, one window apart."""
    min_leavers: Annotated[int, Field(ge=1)]
    """Fewer accounts that left, and fewer predicted to, are not judged."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lowest_ratio < self.highest_ratio:
            raise ValueError("lowest_ratio must be below highest_ratio")
        return self


class ChurnPolicy(Section):
    """The points rule of churn within the horizon: log-odds that add up."""

    horizon_days: Annotated[int, Field(ge=1, le=365)]
    base: ChurnBase
    calibration: ChurnCalibration
    cohorts: dict[str, float]
    """By behavioral cohort; those not named add 0."""
    single_champion: float
    overdue: Overdue
    sentiment: BadSentiment
    renewal: RenewalAhead
    per_signal_weight: float
    """Per unit of external signal weight; below 0, so that good signals lower the risk."""

    @property
    def window_weeks(self) -> int:
        """Full weeks that cover the horizon: past windows start on Mondays, the days that runs make anyway."""
        return -(-self.horizon_days // 7)


def _each_once(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each {what} needs a name of its own: {', '.join(twice)} stands twice")
