"""Policy sections of the dimension scores, one per table, and the shapes they share.

Here: scales, points per word, weights, ordered rules, and the sections of the firmographic, technographic,
behavioral, needs and health scores and of churn risk. Not here: value and expansion (`value`), or how a score is
computed (`scores`).
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
"""Knots [input, points 0-100] with rising inputs. Points are linear between knots and constant beyond them."""


class WordPoints(Section):
    """Points 0-100 per word (case does not matter); `other` is for every other word."""

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
    """Weights of a score's parts, one field each. They sum to 100."""

    @model_validator(mode="after")
    def _sum(self) -> Self:
        total = sum(value for _, value in self)
        if abs(total - FULL_WEIGHT) > 1e-9:
            raise ValueError(f"the weights must sum to {FULL_WEIGHT:g}, they sum to {total:g}")
        return self


class SizeBand(Section):
    """Where the upper size classes begin (bounds included). Below is smb."""

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
    """Size classes, and the weights and points of the firmographic score."""

    employees: SizeBand
    annual_revenue: SizeBand
    """In reporting currency. Used only if the number of employees is not known."""
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
    """Points 0-100: do most of the account's tools compete with our product or complement it?"""

    displacing: Score
    complementing: Score
    neutral: Score


class ConsolidationPoints(Section):
    """Points 0-100: does the number of the account's tools fall, stay or rise?"""

    consolidating: Score
    steady: Score
    expanding: Score


class TechnographicPolicy(Section):
    """Weights and points of the technographic score."""

    weights: TechnographicWeights
    complementary_tools: Scale
    displacing: StancePoints
    sophistication: Scale
    consolidation: ConsolidationPoints


class Condition(Section):
    """One test of one measure. All its bounds must hold. A measure that is not known fails all but `known: false`."""

    texts: ClassVar[frozenset[str]] = frozenset()
    """Measures that are words. `one_of` tests them; bounds test the others."""

    measure: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] | None = None
    is_known: bool | None = Field(None, alias="known")

    @model_validator(mode="after")
    def _testable(self) -> Self:
        bounds = [b for b in (self.at_least, self.above, self.at_most, self.below) if b is not None]
        if not bounds and self.one_of is None and self.is_known is None:
            raise ValueError(f"no test of {self.measure}: write at_least, above, at_most, below, one_of or known")
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
    """The bound for accounts that are in the cohort already. None: the same bound."""

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
        """The condition for accounts that are in the cohort already."""
        if self.leave is None:
            return self
        return self.model_copy(update=dict.fromkeys(self._bounds, self.leave))


class CohortRule(Section):
    """A named reason to be in a cohort: all its conditions hold."""

    name: str
    all_of: Annotated[tuple[BehavioralCondition, ...], Field(min_length=1)]


class Cohort(Section):
    """A usage cohort: an account is in it if one of its rules holds. The last cohort takes the rest."""

    name: str
    after_onboarding: bool = False
    """The rules do not apply to accounts that are still onboarding."""
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
    """Weights and scales of the behavioral score, and the usage cohorts in order."""

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
    """A test of what an account needs and achieves."""

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
    """The four dimensions of health, and how they are combined."""

    weights: HealthWeights
    cap_above_weakest: NotNegative
    """Overall health is at most this many points above the weakest dimension."""
    product: ProductHealth
    relationship: RelationshipHealth
    outcome: OutcomeHealth
    financial: FinancialHealth


class Overdue(Section):
    """Log-odds added for an invoice that is overdue for more than `more_than_days`."""

    more_than_days: Days
    log_odds: float


class BadSentiment(Section):
    """Log-odds added for ticket sentiment below `below`."""

    below: Annotated[float, Field(ge=-1, le=1)]
    log_odds: float


class RenewalAhead(Section):
    """Log-odds added for a renewal within `within_days`."""

    within_days: Days
    log_odds: float


class ChurnBase(Section):
    """How the base of the log-odds is fitted to the accounts that left in past windows."""

    fallback: float
    """The base if too few accounts left for a fit."""
    min_leavers: Annotated[int, Field(ge=1)]
    """A fit needs at least this many accounts that left in the past windows."""
    windows: Annotated[int, Field(ge=1, le=8)]
    """Number of past windows in the fit. Each has the horizon's full weeks; four of 13 weeks are a year."""
    size_spread: NotNegative
    """Standard deviation of the prior on the effect of size (around 0). 0 = size has no effect."""


class ChurnCalibration(Section):
    """When predicted churn is too far from observed churn."""

    lowest_ratio: Positive
    highest_ratio: Positive
    """Predicted / observed outside of these two is a warning."""
    past_days: Annotated[int, Field(ge=1, le=8)]
    """Number of past days to compare, one window apart."""
    min_leavers: Annotated[int, Field(ge=1)]
    """No warning if both the predicted and the observed number of leavers are below this."""
    arr_deviations: NotNegative
    """No warning in ARR if predicted and lost ARR differ by no more than this many standard deviations."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lowest_ratio < self.highest_ratio:
            raise ValueError("lowest_ratio must be below highest_ratio")
        return self


class ChurnModelSpreads(Section):
    """How far the coefficients of the trained model may be from what the points rule says: standard deviations."""

    flags: Positive
    """Of facts that hold or do not, in log-odds: the points of the rule are the mean."""
    numbers: Positive
    """Of figures, in log-odds per standard deviation of the figure: 0 is the mean."""
    renewal: Positive
    """Of a renewal in the period, in log-odds: the points of the rule are the mean."""
    later: Positive
    """Of the difference between a later period and the first, in log-odds: 0 is the mean."""


class ChurnModelTest(Section):
    """How the trained model is tested on windows that it has not seen."""

    min_leavers: Annotated[int, Field(ge=1)]
    """A window is predicted if at least this many accounts had left in the windows before it."""
    draws: Annotated[int, Field(ge=50, le=10_000)]
    """Times that the accounts are drawn anew for an interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: NotNegative
    least_auc: Annotated[float, Field(ge=0.5, lt=1)]
    """A lower AUC on windows that the model has not seen is a warning."""


def _range(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError(f"the lower end of a range must be below the upper one: {ends[0]:g} to {ends[1]:g}")
    return ends


Range = Annotated[tuple[float, float], AfterValidator(_range)]
"""[lowest, highest]: figures beyond them count as the nearest end."""


class ChurnModelPolicy(Section):
    """The trained form of the churn risk: from which past, and how freely it may depart from the points rule."""

    min_leavers: Annotated[int, Field(ge=1)]
    """The model is trained if at least this many accounts left in the windows; else the points rule holds."""
    windows: Annotated[int, Field(ge=2, le=12)]
    """Number of past windows to learn from, each of the horizon's full weeks."""
    periods: Annotated[int, Field(ge=2, le=8)]
    """Number of windows that the model looks ahead: four of 13 weeks are 12 months."""
    later_share: Annotated[float, Field(ge=0, le=1)]
    """Share of the rule's points that is expected to be left of a fact after the first period."""
    spreads: ChurnModelSpreads
    seat_activity: Range
    usage_trend: Range
    test: ChurnModelTest


class ChurnPolicy(Section):
    """Churn within the horizon as a sum of log-odds: the points rule, and the model trained around it."""

    horizon_days: Annotated[int, Field(ge=1, le=365)]
    model: ChurnModelPolicy
    base: ChurnBase
    calibration: ChurnCalibration
    cohorts: dict[str, float]
    """Log-odds by usage cohort. A cohort not listed adds 0."""
    single_champion: float
    overdue: Overdue
    sentiment: BadSentiment
    renewal: RenewalAhead
    per_signal_weight: float
    """Log-odds per unit of external signal weight. Below 0, so that good signals lower the risk."""
    known_leaving: Positive
    """Log-odds added if all contracts of the account are known to end within the period: a fact, no risk."""

    @property
    def window_weeks(self) -> int:
        """The horizon, rounded up to full weeks: past windows start on Mondays, which are built in any case."""
        return -(-self.horizon_days // 7)


def _each_once(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each {what} needs a name of its own: {', '.join(twice)} stands twice")
