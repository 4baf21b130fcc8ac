"""The policy as a validated whole, and reading it from YAML.

Here: the root model (one field per section), and loading, with errors that name the line. Not here: the sections
(`company`, `profiles`, `scores`, ... in this folder) or the numbers (`default.yaml`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import ValidationError, model_validator

from segmentation_assets.policy.activation import AlertPolicy, LeadRoutePolicy
from segmentation_assets.policy.capacity import (
    AssignmentPolicy,
    CarePolicy,
    CoveragePolicy,
    ScenarioPolicy,
    StaffingPolicy,
)
from segmentation_assets.policy.company import CompanyPolicy, ExtractsPolicy
from segmentation_assets.policy.crm import CrmPolicy
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.policy.insights import (
    AdoptionPolicy,
    BacktestPolicy,
    CohortPolicy,
    CsmPolicy,
    DataQualityPolicy,
    EngagedUsePolicy,
    GoalPolicy,
    ReconciliationPolicy,
    RenewalPolicy,
    RenewalWindowPolicy,
    TraitPolicy,
)
from segmentation_assets.policy.kpis import (
    BenchmarkPolicy,
    HealthBandPolicy,
    MigrationPolicy,
    ProductivityPolicy,
    RetentionPolicy,
    SurvivalPolicy,
    TargetPolicy,
)
from segmentation_assets.policy.lines import explained, read_with_lines
from segmentation_assets.policy.orchestration import OrchestrationPolicy
from segmentation_assets.policy.plays import PlayEffectPolicy, PlayPolicy
from segmentation_assets.policy.profiles import LifecyclePolicy, UsagePolicy
from segmentation_assets.policy.report import NextActionPolicy, ReportPolicy
from segmentation_assets.policy.scores import (
    BehavioralPolicy,
    ChurnPolicy,
    FirmographicPolicy,
    HealthPolicy,
    NeedsPolicy,
    TechnographicPolicy,
)
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import (
    MicroSegmentPolicy,
    MovePolicy,
    SegmentRulesPolicy,
    StabilityPolicy,
    TierPolicy,
    TierTraitsPolicy,
    TreatmentPolicy,
)
from segmentation_assets.policy.service import (
    CostPolicy,
    EngagementPolicy,
    SignalsPolicy,
    SupportPolicy,
    TechnologyPolicy,
)
from segmentation_assets.policy.value import (
    AddressablePolicy,
    CompositePolicy,
    ExpansionPolicy,
    LifetimePolicy,
    ValuePolicy,
    ValueTierPolicy,
)
from segmentation_assets.reasons import WrongUse


class Change(NamedTuple):
    """Another value for one number of the policy, named by its path: `tier.growth_min_arr`."""

    name: str
    value: float


Changes = Sequence[Change]
DEFAULT_FILE = Path(__file__).with_name("default.yaml")


class PolicyError(WrongUse, ValueError):
    """The policy file cannot be used; the message has one line per problem with file and line number."""


class Policy(Section):
    """Every number of the business, by section."""

    company: CompanyPolicy
    extracts: ExtractsPolicy
    detective: DetectivePolicy
    orchestration: OrchestrationPolicy
    alerts: AlertPolicy
    crm: CrmPolicy
    plays: PlayPolicy
    play_effects: PlayEffectPolicy
    lead_routes: LeadRoutePolicy
    coverage: CoveragePolicy
    care: CarePolicy
    staffing: StaffingPolicy
    assignment: AssignmentPolicy
    scenario: ScenarioPolicy
    usage: UsagePolicy
    lifecycle: LifecyclePolicy
    support: SupportPolicy
    engagement: EngagementPolicy
    technology: TechnologyPolicy
    signals: SignalsPolicy
    costs: CostPolicy
    firmographic: FirmographicPolicy
    technographic: TechnographicPolicy
    behavioral: BehavioralPolicy
    needs: NeedsPolicy
    health: HealthPolicy
    churn: ChurnPolicy
    value: ValuePolicy
    value_tier: ValueTierPolicy
    lifetime: LifetimePolicy
    addressable: AddressablePolicy
    expansion: ExpansionPolicy
    composite: CompositePolicy
    segment_rules: SegmentRulesPolicy
    tier: TierPolicy
    tier_traits: TierTraitsPolicy
    stability: StabilityPolicy
    treatment: TreatmentPolicy
    micro_segment: MicroSegmentPolicy
    segment_moves: MovePolicy
    retention: RetentionPolicy
    targets: TargetPolicy
    benchmarks: BenchmarkPolicy
    health_bands: HealthBandPolicy
    survival: SurvivalPolicy
    migration: MigrationPolicy
    productivity: ProductivityPolicy
    cohorts: CohortPolicy
    adoption: AdoptionPolicy
    traits: TraitPolicy
    engaged_use: EngagedUsePolicy
    csm: CsmPolicy
    data_quality: DataQualityPolicy
    backtest: BacktestPolicy
    renewals: RenewalPolicy
    renewal_windows: RenewalWindowPolicy
    reconciliation: ReconciliationPolicy
    goals: GoalPolicy
    report: ReportPolicy
    next_actions: NextActionPolicy

    @model_validator(mode="after")
    def _rules_name_cohorts_that_exist(self) -> Self:
        names = [cohort.name for cohort in self.behavioral.cohorts]
        strangers = sorted(self.segment_rules.cohorts - {*names})
        if strangers:
            raise ValueError(f"segment_rules: {', '.join(strangers)} is none of the cohorts {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _care_plays_are_in_the_care_of_a_tier(self) -> Self:
        names = {care.play for tier in self.care.plays.values() for care in tier}
        strangers = sorted(self.plays.care_plays - names)
        if strangers:
            raise ValueError(f"plays: {', '.join(strangers)} counts from care, but is in no tier's care.plays")
        return self

    @property
    def sections(self) -> Mapping[type[Section], Section]:
        """The sections by class. Not cached, because pydantic copies a cache into a changed copy of the policy."""
        return {type(value): value for _, value in self if isinstance(value, Section)}

    @property
    def hash(self) -> str:
        """Hash of all values."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@cache
def section_names() -> Mapping[type[Section], str]:
    """What the policy file calls each section."""
    return {f.annotation: name for name, f in Policy.model_fields.items() if isinstance(f.annotation, type)}


def load_policy(path: Path | None = None, *, then: Path | None = None, changes: Changes = ()) -> Policy:
    """The default policy with the file `path` merged into it: mappings merge key by key, lists and values replace.

    After it comes the file `then`, and then single `changes`. An unchanged file is not read again: a run loads it
    several times, and each reading takes a tenth of a second. Raises PolicyError for a missing file, broken YAML,
    unknown or repeated keys, and values that the model refuses.
    """
    files = tuple(each for each in (path, then) if each)
    return _load(files, tuple(changes), _stamp(DEFAULT_FILE), *map(_stamp, files))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None  # reading the file raises the error
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _load(files: tuple[Path, ...], changes: tuple[Change, ...], *stamps: tuple[int, int, int] | None) -> Policy:
    del stamps
    base, lines = read_with_lines(DEFAULT_FILE, "sections", PolicyError)
    for path in files:
        over, over_lines = read_with_lines(path, "sections", PolicyError)
        base, lines = _merge(base, over), {**lines, **over_lines}
    for change in changes:
        keys = tuple(change.name.split("."))
        base = _merge(base, _nested(keys, change.value))
        lines = {**lines, keys: f"{change.name}={change.value:g}"}
    try:
        return Policy.model_validate(base)
    except ValidationError as error:
        raise PolicyError("\n".join(explained(error, lines, "policy"))) from None


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged
