"""A coverage business case, computed from its parts and audited against what it states.

Here: the scenario file's model, interval arithmetic over figures that are only bounded, the computation, the audit.
Not here: this company's own capacity (`capacity.plan`), printing (`cli`).

Definitions are METRICS.md's: NRR and GRR over a closed cohort, so within a tier
`NRR = 1 + expansion / ARR - loss`, where loss is churn and contraction over start ARR, and `GRR = 1 - loss`. Growth
of existing customers is `NRR - 1`; what a stated growth asks beyond that must come from new customers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, ValidationError, model_validator

from segmentation_assets.policy.capacity import CoveragePolicy, ScenarioPolicy
from segmentation_assets.policy.kpis import TargetPolicy
from segmentation_assets.policy.lines import Lines, explained, place_of, read_with_lines
from segmentation_assets.reasons import Refusal

When = Literal["before", "after"]
Verdict = Literal["supported", "not supported", "not checkable", "implied", "questionable"]
"""Questionable: no stated figure is wrong, but two of them, or one and the policy's target, do not go together."""
FIGURES = (
    "accounts", "arr", "csms", "accounts_share", "arr_share", "accounts_per_csm", "nrr", "grr", "expansion",
    "expansion_increment", "expansion_growth", "arr_growth", "arr_after",
)  # fmt: skip
_OF_A_TIME = {"nrr", "grr", "expansion"}
"""Figures that mean nothing without before or after."""
_RATIOS = {
    "nrr", "grr", "expansion_growth", "arr_growth", "cost_to_serve_change", "churn_and_contraction", "accounts_share",
    "arr_share", "arr_over_path",
}  # fmt: skip
_LOWEST = {"expansion_growth": -1.0, "arr_growth": -1.0, "expansion_increment": -math.inf}
"""What a figure can be at least; the others 0."""
_HIGHEST = {"grr": 1.0, "accounts_share": 1.0, "arr_share": 1.0}
"""What a figure can be at most, whatever the policy."""
_ROUNDING = 1e-9
"""Of floating point: a share of zero is zero, and 1 - 1 need not be."""
_PEOPLE = {"accounts", "csms", "csms_change", "fte_freed", "accounts_per_csm", "headcount"}
_KINDS = {"number", "bounds"}


class ScenarioError(Refusal, ValueError):
    """The scenario file cannot be computed; one line per problem."""


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
        """Whether some value is in both, give or take a share of the other's ends."""
        above = other.high + tolerance * abs(other.high) + _ROUNDING
        below = other.low - tolerance * abs(other.low) - _ROUNDING
        return self.low <= above and self.high >= below


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Number = Annotated[float, Strict()]
"""A number that is written as one: `"10"`, `yes` and `1,000` are none."""


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
    """A figure under the old and under the new coverage; what is not stated is null."""

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
    """Whom the tier's new coverage has besides CSMs, such as account_executive."""


class Totals(_Part):
    """What the case says of the whole company before the change."""

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


@dataclass(frozen=True)
class Line:
    """One line of the audit: what was stated, what the parts give, and the arithmetic."""

    figure: str
    scope: str
    when: str
    stated: Interval | None
    computed: Interval | None
    verdict: Verdict
    arithmetic: str

    @property
    def difference(self) -> float | None:
        """Stated minus the nearest computed value; null where either is missing, 0 where they meet."""
        if self.stated is None or self.computed is None:
            return None
        if self.stated.low > self.computed.high:
            return self.stated.low - self.computed.high
        return min(self.stated.high - self.computed.low, 0.0)


@dataclass(frozen=True)
class Audit:
    """The computed case: one row per tier and the company, and the lines of the audit."""

    name: str
    currency: str
    tiers: list[dict[str, Any]]
    lines: list[Line]

    def to_dict(self) -> dict[str, Any]:
        """For `--format json`; open ends of an interval are null."""
        lines = [{**asdict(line), "difference": line.difference} for line in self.lines]
        return _finite({"name": self.name, "currency": self.currency, "tiers": self.tiers, "audit": lines})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None  # 1.205, not 1.2049999999999998
    return value


def read_scenario(path: Path, policy: ScenarioPolicy) -> Scenario:
    """Raises ScenarioError, one line per problem with file and line number.

    For a missing file, broken YAML, a part that is missing, unknown, no number or out of range, and for claims about
    tiers that are not there.
    """
    data, lines = read_with_lines(path, "name, totals, tiers and stated", ScenarioError)
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_hinted(line) for line in explained(error, lines, str(path)))) from None
    problems = [_told(lines, at, problem) for at, problem in _misfits(scenario, policy.highest_nrr)]
    if problems:
        raise ScenarioError("\n".join(problems))
    return scenario


def _hinted(line: str) -> str:
    """A complaint in the file's own words: without the name of the kind of figure, and with what to write instead."""
    place, path, problem = line.split(": ", 2)
    path = ".".join(part for part in path.split(".") if part not in _KINDS)
    is_number = problem.startswith(("Input should be a valid number", "Input should be a valid integer"))
    hint = "; write a plain number such as 1200000 or 1.15" if is_number else ""
    return f"{place}: {path}: {problem}{hint}"


def _told(lines: Lines, at: tuple[str, ...], problem: str) -> str:
    return f"{place_of(at, lines)}: {'.'.join(at)}: {problem}"


def _misfits(scenario: Scenario, highest_nrr: float) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where parts that are sound by themselves do not fit together, as (path, problem)."""
    names = [t.tier for t in scenario.tiers]
    for i, tier in enumerate(scenario.tiers):
        if tier.tier in names[:i]:
            yield ("tiers", str(i), "tier"), f"the tier stands twice, found {tier.tier!r}; give each tier one entry"
        for figure in ("nrr", "expansion", "cost_to_serve"):
            for when in ("before", "after"):
                value = getattr(getattr(tier, figure), when)
                yield from _out_of_range(("tiers", str(i), figure, when), figure, value, highest_nrr)
    for i, claim in enumerate(scenario.stated):
        at = ("stated", str(i))
        if claim.tier is not None and claim.tier not in names:
            yield (*at, "tier"), f"no tier {claim.tier!r}; the tiers are {', '.join(names)}"
        if claim.figure in _OF_A_TIME and claim.when is None:
            yield at, f"{claim.figure} needs `when: before` or `when: after`"
        if claim.figure.endswith("_share") and claim.tier is None:
            yield at, f"{claim.figure} needs a `tier`; the tiers are {', '.join(names)}"
        yield from _out_of_range((*at, "value"), claim.figure, claim.value, highest_nrr)


def _out_of_range(
    at: tuple[str, ...], figure: str, value: Figure | None, highest_nrr: float
) -> Iterator[tuple[tuple[str, ...], str]]:
    values = interval(value)
    if values is None:
        return
    ends = [x for x in (values.low, values.high) if math.isfinite(x)]
    low, high = _LOWEST.get(figure, 0.0), (_HIGHEST | {"nrr": highest_nrr}).get(figure, math.inf)
    if min(ends) < low:
        yield at, f"{figure} is never below {low:g}, found {min(ends):g}"
    if max(ends) > high:
        ratio = "; write a ratio such as 1.10 for 110 %" if figure in _RATIOS else ""
        yield at, f"{figure} is never above {high:g}, found {max(ends):g}{ratio}"


def audit(scenario: Scenario, coverage: CoveragePolicy, targets: TargetPolicy, policy: ScenarioPolicy) -> Audit:
    """Compute the case and hold every stated figure against its parts, the order of the tiers and their targets."""
    case = _Case(scenario, coverage, policy.tolerance_share)
    lines = [*case.totals(), *case.claims(), *case.conflicts(), *case.people(), *case.implied()]
    lines += [*case.order(), *case.below_target(targets), *case.headcount(), *case.over_the_path()]
    return Audit(scenario.name, scenario.currency, case.rows(), lines)


def interval(figure: Figure | None) -> Interval | None:
    """A figure as the values it can have; a ratio or an amount is never below 0 unless stated so."""
    if figure is None:
        return None
    if isinstance(figure, Bounds):
        low = -math.inf if figure.at_least is None else figure.at_least
        return Interval(low, math.inf if figure.at_most is None else figure.at_most)
    return Interval(figure, figure)


Claims = dict[tuple[str, When | None, str | None], Interval | None]
"""Stated figures by (figure, when, tier)."""


class _Case:
    """The arithmetic of one scenario."""

    def __init__(self, scenario: Scenario, coverage: CoveragePolicy, tolerance: float) -> None:
        self.s = scenario
        self.coverage = coverage
        self.tolerance = tolerance
        self.arr = sum(t.arr for t in scenario.tiers)
        self.accounts = sum(t.accounts for t in scenario.tiers)
        self.csms = sum(t.csms for t in scenario.tiers)

    # -- what the parts give

    def nrr(self, when: When, tier: Tier | None = None) -> tuple[Interval | None, str]:
        """Company NRR is the tiers' weighted by start ARR; null where a tier with ARR states none."""
        if tier is not None:
            return interval(getattr(tier.nrr, when)), f"as stated for {tier.tier}"
        total, terms = Interval(0.0, 0.0), []
        for t in self.s.tiers:
            value = interval(getattr(t.nrr, when))
            if value is None and t.arr:
                return None, f"{t.tier} states no NRR {when}"
            if value is not None:
                total += value.times(t.arr)
                terms.append(f"{money(t.arr)} x {shown('nrr', value)}")
        if not self.arr:
            return None, "no ARR"
        return total.times(1 / self.arr), f"({' + '.join(terms)}) / {money(self.arr)}"

    def expansion(self, when: When, tier: Tier | None = None) -> tuple[Interval | None, str]:
        """The sum of what the tiers state; a tier that states none adds nothing."""
        parts = [(t, interval(getattr(t.expansion, when))) for t in ([tier] if tier else self.s.tiers)]
        known = [(t, v) for t, v in parts if v is not None]
        if not known:
            return None, f"no expansion {when} is stated"
        total = sum((v for _, v in known), Interval(0.0, 0.0))
        silent = [t.tier for t, v in parts if v is None]
        note = f" ({', '.join(silent)}: none stated)" if silent else ""
        return total, " + ".join(shown("expansion", v) for _, v in known) + note

    def increment(self, tier: Tier | None) -> tuple[Interval | None, str]:
        """Expansion after less before."""
        after, before = self.expansion("after", tier)[0], self.expansion("before", tier)[0]
        if after is None or before is None:
            return None, "expansion before or after is not stated"
        return after - before, f"{shown('expansion', after)} - {shown('expansion', before)}"

    def expansion_growth(self, tier: Tier | None) -> tuple[Interval | None, str]:
        """Expansion after over before, less 1."""
        after, before = self.expansion("after", tier)[0], self.expansion("before", tier)[0]
        if after is None or before is None or before.low <= 0:
            return None, "expansion before is not stated or 0"
        return _growth(before, after), f"{shown('expansion', after)} / {shown('expansion', before)} - 1"

    def growth(self, when: When, tier: Tier | None) -> tuple[Interval | None, str]:
        """ARR growth of existing customers in a year."""
        nrr, _ = self.nrr(when, tier)
        if nrr is None:
            return None, f"NRR {when} is not stated" + ("" if tier else " for every tier")
        return nrr - Interval(1.0, 1.0), f"NRR {when} {shown('nrr', nrr)} - 1, existing customers only"

    def loss(self, tier: Tier, when: When) -> Interval | None:
        """Churn and contraction over start ARR that NRR and expansion together imply, if they can both hold.

        Whatever was expanded without being stated was lost as well: then only the least is known.
        """
        nrr, expansion = interval(getattr(tier.nrr, when)), interval(getattr(tier.expansion, when))
        if nrr is None or not tier.arr:
            return None
        if expansion is None:
            return Interval(min(max(1 - nrr.high, 0.0), 1.0), 1.0)
        found = expansion.times(1 / tier.arr) - nrr + Interval(1.0, 1.0)
        return Interval(min(max(found.low, 0.0), 1.0), min(max(found.high, 0.0), 1.0))

    def losses(self, when: When, tier: Tier | None = None) -> Interval | None:
        """The same of the company, weighted by start ARR; null where a tier with ARR states no NRR."""
        tiers = [t for t in ([tier] if tier else self.s.tiers) if t.arr]
        total = Interval(0.0, 0.0)
        for t in tiers:
            loss = self.loss(t, when)
            if loss is None:
                return None
            total += loss.times(t.arr)
        base = sum(t.arr for t in tiers)
        return total.times(1 / base) if base else None

    def grr(self, when: When, tier: Tier | None) -> tuple[Interval | None, str]:
        """1 less the implied loss; for the company weighted by start ARR."""
        loss = self.losses(when, tier)
        if loss is None:
            return None, f"NRR {when} is not stated" + ("" if tier else " for every tier")
        return Interval(1.0, 1.0) - loss, "1 - churn and contraction" + self._silent(when, tier)

    def _silent(self, when: When, tier: Tier | None = None) -> str:
        """Says whose losses are only known to be at least something."""
        tiers = [tier] if tier else self.s.tiers
        silent = [t.tier for t in tiers if t.arr and getattr(t.expansion, when) is None]
        return f" ({', '.join(silent)}: no expansion stated, so anything between 1 - NRR and all)" if silent else ""

    def arr_after(self, tier: Tier | None) -> tuple[Interval | None, str]:
        """ARR of existing customers after a year."""
        nrr, _ = self.nrr("after", tier)
        if nrr is None:
            return None, "NRR after is not stated" + ("" if tier else " for every tier")
        arr = tier.arr if tier else self.arr
        return nrr.times(arr), f"{money(arr)} x {shown('nrr', nrr)}"

    def size(self, figure: str, when: When | None, tier: Tier | None) -> tuple[Interval | None, str]:
        """Accounts, ARR, CSMs: the sum of the tiers, but for CSMs before, which only the totals know."""
        if figure == "csms" and when == "before":
            return (None, "no tier states its CSMs before") if tier else (_point(self.s.totals.csms), "as in totals")
        tiers = [tier] if tier else self.s.tiers
        value = sum(getattr(t, figure) for t in tiers)
        return _point(value), " + ".join(shown(figure, _point(getattr(t, figure))) for t in tiers)

    def share(self, figure: str, tier: Tier) -> tuple[Interval | None, str]:
        """A tier's part of all accounts, or of all ARR."""
        own, total = getattr(tier, figure), getattr(self, figure)
        text = f"{shown(figure, _point(own))} / {shown(figure, _point(total))}"
        return (_point(own / total), text) if total else (None, f"no {figure}")

    def accounts_per_csm(self, when: When | None, tier: Tier | None) -> tuple[Interval | None, str]:
        """Before by the totals, after by the tiers."""
        if when == "before" and tier:
            return None, "no tier states its CSMs before"
        sized = self.s.totals if when == "before" else tier or self
        accounts, csms = sized.accounts, sized.csms
        return (_point(accounts / csms), f"{accounts:,} / {csms:g}") if csms else (None, "no CSM")

    def compute(self, claim: Stated) -> tuple[Interval | None, str]:
        """What the parts give for a claimed figure, and how."""
        tier, figure = self.tier_of(claim), claim.figure
        when: When = claim.when or "after"
        if figure.endswith("_share") and tier:
            return self.share(figure.removesuffix("_share"), tier)
        if figure == "arr" and claim.when == "after":
            return self.arr_after(tier)
        computed: dict[str, Callable[[], tuple[Interval | None, str]]] = {
            "accounts_per_csm": lambda: self.accounts_per_csm(claim.when, tier),
            "nrr": lambda: self.nrr(when, tier),
            "grr": lambda: self.grr(when, tier),
            "expansion": lambda: self.expansion(when, tier),
            "expansion_increment": lambda: self.increment(tier),
            "expansion_growth": lambda: self.expansion_growth(tier),
            "arr_growth": lambda: self.growth(when, tier),
            "arr_after": lambda: self.arr_after(tier),
        }
        return computed[figure]() if figure in computed else self.size(figure, claim.when, tier)

    def tier_of(self, claim: Stated) -> Tier | None:
        """The tier that a claim is about; null: the company."""
        return next((t for t in self.s.tiers if t.tier == claim.tier), None)

    # -- the audit

    def line(
        self, figure: str, scope: str, when: str, stated: Interval, computed: Interval | None, arithmetic: str
    ) -> Line:
        """A stated figure against what its parts give."""
        if computed is None:
            return Line(figure, scope, when, stated, None, "not checkable", arithmetic)
        holds = computed.meets(stated, self.tolerance)
        return Line(figure, scope, when, stated, computed, "supported" if holds else "not supported", arithmetic)

    def totals(self) -> Iterator[Line]:
        """The company's totals against the sum of the tiers. CSMs are those of before here, and of after there."""
        for figure in ("accounts", "arr"):
            terms = " + ".join(shown(figure, _point(getattr(t, figure))) for t in self.s.tiers)
            yield self.line(
                figure,
                "company",
                "before",
                _point(getattr(self.s.totals, figure)),
                _point(getattr(self, figure)),
                terms,
            )

    def claims(self) -> Iterator[Line]:
        """Each stated figure, with what would have to be true where the parts do not give it."""
        for claim in self.s.stated:
            stated = interval(claim.value)
            assert stated is not None
            computed, arithmetic = self.compute(claim)
            line = self.line(claim.figure, claim.tier or "company", claim.when or "", stated, computed, arithmetic)
            if line.verdict == "not supported":
                line = replace(line, arithmetic=arithmetic + self.remedy(claim, stated))
            yield line

    def remedy(self, claim: Stated, stated: Interval) -> str:
        """What the stated figure would ask of the parts."""
        tier, when = self.tier_of(claim), claim.when or "after"
        if claim.figure == "arr_growth":
            growth = self.growth(when, tier)[0]
            missing = 0.0 if growth is None else (stated.low - growth.high) * (tier.arr if tier else self.arr)
            new = f"; the rest would be {money(missing)} ARR from new customers, none is stated"
            return new if missing > 0 else ""
        if claim.figure == "nrr" and tier is None:
            return self._needed(when, stated)
        if claim.figure == "expansion" and tier is None:
            computed = self.expansion(when)[0]
            silent = [t for t in self.s.tiers if getattr(t.expansion, when) is None]
            missing = stated.low - computed.high if computed else 0.0
            if silent and missing > 0:
                names, arr = ", ".join(t.tier for t in silent), sum(t.arr for t in silent)
                more = f", which is {missing / arr:.0%} of the ARR there" if arr else ""
                return f"; {money(missing)} would have to come from {names}{more}"
        return ""

    def _needed(self, when: When, stated: Interval) -> str:
        """The NRR of the one tier whose NRR is open that would make the company's the stated one."""
        open_tiers = [t for t in self.s.tiers if t.arr and not _is_point(getattr(t.nrr, when))]
        computed = self.nrr(when)[0]
        if len(open_tiers) != 1 or computed is None:
            return ""
        (t,) = open_tiers
        others = sum(x.arr * getattr(x.nrr, when) for x in self.s.tiers if x.arr and x is not t)
        nearest = stated.low if stated.low > computed.high else stated.high
        needed = (nearest * self.arr - others) / t.arr
        return f"; it would need {t.tier} at {needed:.1%}, where {shown('nrr', interval(getattr(t.nrr, when)))}"

    def conflicts(self) -> Iterator[Line]:
        """Pairs of stated figures that cannot both hold, whatever the tiers do."""
        claims: Claims = {(c.figure, c.when, c.tier): interval(c.value) for c in self.s.stated}
        before, after = claims.get(("expansion", "before", None)), claims.get(("expansion", "after", None))
        rise, growth = claims.get(("expansion_growth", None, None)), claims.get(("arr_growth", None, None))
        if before and after and rise and before.low > 0:
            text = f"stated after {shown('arr', after)} / stated before {shown('arr', before)} - 1"
            yield self.line("expansion_growth", "stated figures", "", rise, _growth(before, after), text)
        increments = [v for (f, _, tier), v in claims.items() if f == "expansion_increment" and tier and v]
        if before and after and increments:
            total = sum(increments, Interval(0.0, 0.0))
            text = (
                f"stated increments {' + '.join(shown('arr', v) for v in increments)}, against stated after - before"
            )
            yield self.line("expansion_increment", "stated figures", "", after - before, total, text)
        if after and growth and self.arr:
            most = Interval(-math.inf, after.high / self.arr)
            text = f"all stated expansion {shown('arr', after)} / {money(self.arr)}, if nothing at all were lost"
            yield self.line("arr_growth", "stated figures", "", growth, most, text)
        yield from self._stated_losses(claims)
        yield from self._stated_shares(claims)

    def _stated_losses(self, claims: Claims) -> Iterator[Line]:
        """What the company's stated NRR and expansion say was lost, against what the tiers leave room for."""
        times: tuple[When, When] = ("before", "after")
        for when in times:
            nrr, expansion = claims.get(("nrr", when, None)), claims.get(("expansion", when, None))
            losses = self.losses(when)
            if nrr and expansion and losses and self.arr:
                lost = expansion.times(1 / self.arr) - nrr + Interval(1.0, 1.0)
                text = (
                    f"stated expansion {shown('arr', expansion)} / {money(self.arr)} - stated NRR "
                    f"{shown('nrr', nrr)} + 1, against what NRR and expansion of the tiers leave{self._silent(when)}"
                )
                yield self.line("churn_and_contraction", "stated figures", when, lost, losses, text)

    def _stated_shares(self, claims: Claims) -> Iterator[Line]:
        """Shares of all tiers are the whole; those of some are at most that."""
        for figure in ("accounts_share", "arr_share"):
            shares = {tier: v for (f, _, tier), v in claims.items() if f == figure and v}
            if len(shares) > 1 or len(shares) == len(self.s.tiers):
                whole = Interval(1.0 if len(shares) == len(self.s.tiers) else 0.0, 1.0)
                text = f"{' + '.join(shown(figure, v) for v in shares.values())} of {', '.join(map(str, shares))}"
                yield self.line(figure, "stated figures", "", sum(shares.values(), Interval(0.0, 0.0)), whole, text)

    def people(self) -> Iterator[Line]:
        """Headcount that the ratios ask for, and people said to be freed."""
        flat = self.s.totals.accounts / self.s.totals.csms
        need, least, terms = 0.0, 0.0, []
        for t in self.s.tiers:
            if t.fte_freed is not None:
                had = t.accounts / flat
                text = (
                    f"{t.accounts:,} accounts / {flat:g} per CSM spread evenly = {had:.2f} FTE spent on them before"
                )
                freed = Interval(0.0, max(had - t.csms, 0.0))
                yield self.line("fte_freed", t.tier, "after", _point(t.fte_freed), freed, text)
            ratio = self.coverage.ratios.get(t.tier)
            if ratio is not None and ratio.accounts_per_csm:
                need += t.accounts / ratio.accounts_per_csm
                least += t.accounts / (ratio.high or ratio.accounts_per_csm)
                terms.append(f"{t.accounts:,}/{ratio.accounts_per_csm:g}")
        if terms:
            unknown = [t.tier for t in self.s.tiers if t.tier not in self.coverage.ratios and t.accounts]
            besides = f"; besides {', '.join(unknown)}, for which the policy has no ratio" if unknown else ""
            text = (
                f"{' + '.join(terms)} by the policy's ratios = {need:.2f} FTE; {least:.2f} at their loosest{besides}"
            )
            yield self.line("csms", "company by ratio", "after", _point(self.csms), Interval(least, math.inf), text)

    def implied(self) -> Iterator[Line]:
        """What NRR and expansion together imply of losses, tier by tier and in all; claims with no base."""
        before = self.s.totals.csms
        text = f"{self.size('csms', 'after', None)[1]} under the new coverage - {before:g} before"
        yield Line("csms_change", "company", "after", None, _point(self.csms - before), "implied", text)
        times: tuple[When, When] = ("before", "after")
        for t in self.s.tiers:
            for when in times:
                yield from self._implied_loss(t, when)
            yield from self._cost(t)
        for when in times:
            losses = self.losses(when)
            if losses is not None and losses.high - losses.low < 1:
                text = (
                    f"the tiers', weighted by ARR{self._silent(when)}; GRR is 1 less this, a month {_monthly(losses)}"
                )
                yield Line("churn_and_contraction", "company", when, None, losses, "implied", text)

    def _implied_loss(self, t: Tier, when: When) -> Iterator[Line]:
        loss = self.loss(t, when)
        nrr, expansion = interval(getattr(t.nrr, when)), interval(getattr(t.expansion, when))
        if loss is None or nrr is None:
            return
        if expansion is None:
            if nrr.high < 1:
                least = Interval(1 - nrr.high, math.inf)
                text = "1 - NRR; more by whatever was expanded, which is not stated; at least a month "
                yield Line("churn_and_contraction", t.tier, when, None, least, "implied", text + _monthly(least))
            return
        shares = expansion.times(1 / t.arr)
        possible = Interval(shares.low, 1 + shares.high)
        if not possible.meets(nrr, self.tolerance):
            text = "between expansion / ARR, if all else were lost, and 1 + expansion / ARR, if nothing were: "
            text += "the two stated figures cannot both hold"
            yield Line("nrr", t.tier, when, nrr, possible, "not supported", text)
            return
        text = "expansion / ARR - NRR + 1; GRR is 1 less this, a month " + _monthly(loss)
        nothing = "; not one account leaves or shrinks in a year" if loss.high <= _ROUNDING else ""
        yield Line("churn_and_contraction", t.tier, when, None, loss, "implied", text + nothing)

    def _cost(self, t: Tier) -> Iterator[Line]:
        if t.cost_to_serve_change is None:
            return
        before, after = interval(t.cost_to_serve.before), interval(t.cost_to_serve.after)
        stated = _point(t.cost_to_serve_change)
        if before is None or after is None or before.low <= 0:
            yield self.line("cost_to_serve_change", t.tier, "after", stated, None, "no cost to serve is stated")
            return
        text = f"{shown('arr', after)} / {shown('arr', before)} - 1"
        yield self.line("cost_to_serve_change", t.tier, "after", stated, _growth(before, after), text)

    # -- figures that do not go together

    def order(self) -> Iterator[Line]:
        """A tier of less attention whose accounts are worth more each than those of the tier above it."""
        known = [t for name in self.coverage.ratios for t in self.s.tiers if t.tier == name and t.accounts]
        for above, below in pairwise(known):
            upper, lower = above.arr / above.accounts, below.arr / below.accounts
            if lower > upper * (1 + self.tolerance):
                text = (
                    f"{money(below.arr)} / {below.accounts:,}, above {above.tier}'s {money(above.arr)} / "
                    f"{above.accounts:,} = {money(upper)}: the accounts that get least attention are worth more each"
                )
                most = Interval(-math.inf, upper)
                yield Line("arr_per_account", below.tier, "", _point(lower), most, "questionable", text)

    def below_target(self, targets: TargetPolicy) -> Iterator[Line]:
        """Tiers whose GRR, as NRR and expansion imply it, is below the policy's own target."""
        times: tuple[When, When] = ("before", "after")
        for t in self.s.tiers:
            target = next((value for name, value in targets.grr.items() if name == t.tier), None)
            for when in times:
                grr, text = self.grr(when, t)
                if target is None or grr is None or getattr(t.expansion, when) is None:
                    continue
                if grr.high < target.low - _ROUNDING:
                    goal = Interval(target.low, math.inf)
                    lost = shown("churn_and_contraction", self.loss(t, when))
                    loss = f"{text} of {lost}; the target is the policy's"
                    yield Line("grr", t.tier, when, goal, grr, "questionable", loss)

    def headcount(self) -> Iterator[Line]:
        """People besides CSMs whom the coverage needs, where the CSMs are said to be as many as before."""
        same = any(c.figure == "csms" and c.when == "after" and c.tier is None for c in self.s.stated)
        for t in self.s.tiers:
            if t.roles and same:
                text = (
                    f"{', '.join(role.replace('_', ' ') for role in t.roles)} besides {t.csms:g} CSMs: how many, and "
                    f"at what cost, is not stated, so {self.csms:g} CSMs after and {self.s.totals.csms:g} before are "
                    "not the whole headcount"
                )
                yield Line("headcount", t.tier, "after", None, None, "questionable", text)

    def over_the_path(self) -> Iterator[Line]:
        """ARR after a year over what it would have been at the NRR stated for before: what the change itself adds."""
        path = next((interval(c.value) for c in self.s.stated
                     if c.figure == "nrr" and c.when == "before" and c.tier is None), None)  # fmt: skip
        after = self.nrr("after")[0]
        if path is None or after is None or path.low <= 0 or not self.arr:
            return
        text = (
            f"{shown('arr', after.times(self.arr))} / ({money(self.arr)} x {shown('nrr', path)} = "
            f"{shown('arr', path.times(self.arr))}) - 1: the rest of the growth comes with the stated NRR before"
        )
        yield Line("arr_over_path", "company", "after", None, _growth(path, after), "implied", text)

    def rows(self) -> list[dict[str, Any]]:
        """Per tier and for the company: sizes, NRR, expansion, implied GRR, ARR after a year, FTE by ratio."""
        rows = [self._row(t.tier, t) for t in self.s.tiers]
        return [*rows, self._row("Company", None)]

    def _row(self, name: str, tier: Tier | None) -> dict[str, Any]:
        arr = tier.arr if tier else self.arr
        after = self.nrr("after", tier)[0]
        ratios = [(t, self.coverage.ratios.get(t.tier)) for t in ([tier] if tier else self.s.tiers)]
        fte = [t.accounts / r.accounts_per_csm for t, r in ratios if r and r.accounts_per_csm]
        figures = {
            f"{figure}_{when}": getattr(self, figure)(when, tier)[0]
            for figure in ("nrr", "expansion", "grr")
            for when in ("before", "after")
        }
        return {
            "tier": name,
            "accounts": tier.accounts if tier else self.accounts,
            "arr": arr,
            "csms": tier.csms if tier else self.csms,
            **{k: None if v is None else asdict(v) for k, v in figures.items()},
            "arr_after": None if after is None else asdict(after.times(arr)),
            "fte_by_ratio": sum(fte) if fte else None,
        }


def _point(value: float) -> Interval:
    return Interval(float(value), float(value))


def _growth(before: Interval, after: Interval) -> Interval:
    """After over before, less 1; before is above 0."""
    return Interval(after.low / before.high - 1, after.high / before.low - 1)


def _is_point(figure: Figure | None) -> bool:
    return isinstance(figure, int | float)


def _monthly(loss: Interval) -> str:
    """Yearly loss as the constant monthly rate that compounds to it."""
    low, high = (1 - (1 - min(max(x, 0.0), 1.0)) ** (1 / 12) for x in (loss.low, loss.high))
    return f"{low:.2%}" if low == high or loss.high == math.inf else f"{low:.2%} to {high:.2%}"


def money(value: float) -> str:
    """An amount in thousands or millions, as people write it."""
    for size, word in ((1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:,.3f}".rstrip("0").rstrip(".") + word
    return f"{value:,.0f}"


def shown(figure: str, value: Interval | None) -> str:
    """A figure for people: percent, people or money; open intervals in words."""
    if value is None:
        return "unknown"

    def one(x: float) -> str:
        if figure in _RATIOS:
            return f"{x:.1%}"
        return f"{x:,.2f}".rstrip("0").rstrip(".") if figure in _PEOPLE else money(x)

    if value.is_point:
        return one(value.low)
    if value.high == math.inf:
        return f"at least {one(value.low)}"
    if value.low == -math.inf:
        return f"at most {one(value.high)}"
    return f"{one(value.low)} to {one(value.high)}"
