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
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segmentation_assets.policy.capacity import CoveragePolicy, ScenarioPolicy

When = Literal["before", "after"]
Verdict = Literal["supported", "not supported", "not checkable", "implied"]
FIGURES = (
    "accounts", "arr", "csms", "accounts_per_csm", "nrr", "grr", "expansion", "expansion_increment",
    "expansion_growth", "arr_growth", "arr_after",
)  # fmt: skip
_RATIOS = {"nrr", "grr", "expansion_growth", "arr_growth", "cost_to_serve_change"}
_ROUNDING = 1e-9
"""Of floating point: a share of zero is zero, and 1 - 1 need not be."""
_PEOPLE = {"accounts", "csms", "fte_freed", "accounts_per_csm"}


class ScenarioError(ValueError):
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


class Bounds(_Part):
    """A figure of which only a bound is stated."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.at_least is None and self.at_most is None:
            raise ValueError("state at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")
        return self


Figure = float | Bounds
Count = Annotated[float, Field(ge=0)]


class BeforeAfter(_Part):
    """A figure under the old and under the new coverage; what is not stated is null."""

    before: Figure | None = None
    after: Figure | None = None


class Tier(_Part):
    """One tier of the case. `arr` is at the start of the year, `csms` under the new coverage."""

    tier: str
    accounts: Annotated[int, Field(ge=0)]
    arr: Count
    csms: Count
    nrr: BeforeAfter = BeforeAfter()
    expansion: BeforeAfter = BeforeAfter()
    cost_to_serve: BeforeAfter = BeforeAfter()
    cost_to_serve_change: float | None = None
    fte_freed: Count | None = None


class Totals(_Part):
    """What the case says of the whole company before the change."""

    accounts: Annotated[int, Field(gt=0)]
    arr: Annotated[float, Field(gt=0)]
    csms: Annotated[float, Field(gt=0)]


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

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        names = [t.tier for t in self.tiers]
        if len(set(names)) != len(names):
            raise ValueError(f"a tier stands twice: {sorted(n for n in set(names) if names.count(n) > 1)}")
        for claim in self.stated:
            if claim.tier is not None and claim.tier not in names:
                raise ValueError(f"stated {claim.figure}: no tier {claim.tier!r}; tiers are {names}")
            if claim.figure in {"nrr", "grr", "expansion"} and claim.when is None:
                raise ValueError(f"stated {claim.figure}: say `when: before` or `when: after`")
        return self


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
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_scenario(path: Path) -> Scenario:
    """Raises ScenarioError for a missing file, broken YAML, or a part that is missing, unknown or out of range."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not readable as YAML: {error}") from None
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ScenarioError("\n".join(f"{path}: {p}" for p in problems)) from None


def audit(scenario: Scenario, coverage: CoveragePolicy, policy: ScenarioPolicy) -> Audit:
    """Compute the case and hold every stated figure against its parts."""
    case = _Case(scenario, coverage, policy.tolerance_share)
    lines = [*case.totals(), *case.claims(), *case.conflicts(), *case.people(), *case.implied()]
    return Audit(scenario.name, scenario.currency, case.rows(), lines)


def interval(figure: Figure | None) -> Interval | None:
    """A figure as the values it can have; a ratio or an amount is never below 0 unless stated so."""
    if figure is None:
        return None
    if isinstance(figure, Bounds):
        low = -math.inf if figure.at_least is None else figure.at_least
        return Interval(low, math.inf if figure.at_most is None else figure.at_most)
    return Interval(figure, figure)


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

    def expansion_growth(self) -> tuple[Interval | None, str]:
        """Expansion after over before, less 1."""
        after, before = self.expansion("after")[0], self.expansion("before")[0]
        if after is None or before is None or before.low <= 0:
            return None, "expansion before is not stated or 0"
        value = Interval(after.low / before.high - 1, after.high / before.low - 1)
        return value, f"{shown('expansion', after)} / {shown('expansion', before)} - 1"

    def growth(self) -> tuple[Interval | None, str]:
        """ARR growth of existing customers in the first year."""
        nrr, _ = self.nrr("after")
        if nrr is None:
            return None, "NRR after is not stated for every tier"
        return nrr - Interval(1.0, 1.0), f"NRR after {shown('nrr', nrr)} - 1, existing customers only"

    def loss(self, tier: Tier, when: When) -> Interval | None:
        """Churn and contraction over start ARR that NRR and expansion together imply."""
        nrr, expansion = interval(getattr(tier.nrr, when)), interval(getattr(tier.expansion, when))
        if nrr is None or expansion is None or not tier.arr:
            return None
        return expansion.times(1 / tier.arr) - nrr + Interval(1.0, 1.0)

    def grr(self, when: When, tier: Tier | None) -> tuple[Interval | None, str]:
        """1 less the implied loss; for the company weighted by start ARR."""
        tiers = [tier] if tier else self.s.tiers
        losses = [(t, self.loss(t, when)) for t in tiers]
        if any(v is None for _, v in losses):
            return None, "a tier states no NRR or no expansion"
        total = sum((v.times(t.arr) for t, v in losses if v is not None), Interval(0.0, 0.0))
        base = sum(t.arr for t in tiers)
        return Interval(1.0, 1.0) - total.times(1 / base), "1 - (expansion / ARR - NRR + 1)"

    def arr_after(self) -> tuple[Interval | None, str]:
        """ARR of existing customers after a year."""
        nrr, _ = self.nrr("after")
        if nrr is None:
            return None, "NRR after is not stated for every tier"
        return nrr.times(self.arr), f"{money(self.arr)} x {shown('nrr', nrr)}"

    def compute(self, claim: Stated) -> tuple[Interval | None, str]:
        """What the parts give for a claimed figure, and how."""
        tier = next((t for t in self.s.tiers if t.tier == claim.tier), None)
        when: When = claim.when or "after"
        sizes: dict[str, float] = {
            "accounts": tier.accounts if tier else self.accounts,
            "arr": tier.arr if tier else self.arr,
            "csms": tier.csms if tier else self.csms,
        }
        if claim.figure in sizes:
            value = sizes[claim.figure]
            terms = [tier] if tier else self.s.tiers
            shown_terms = " + ".join(shown(claim.figure, _point(getattr(t, claim.figure))) for t in terms)
            return _point(value), shown_terms
        if claim.figure == "accounts_per_csm":
            accounts, csms = (tier.accounts, tier.csms) if tier else (self.accounts, self.csms)
            return (_point(accounts / csms), f"{accounts:,} / {csms:g}") if csms else (None, "no CSM")
        computed: dict[str, Callable[[], tuple[Interval | None, str]]] = {
            "nrr": lambda: self.nrr(when, tier),
            "grr": lambda: self.grr(when, tier),
            "expansion": lambda: self.expansion(when, tier),
            "expansion_increment": lambda: self.increment(tier),
            "expansion_growth": self.expansion_growth,
            "arr_growth": self.growth,
            "arr_after": self.arr_after,
        }
        return computed[claim.figure]()

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
        """The company's totals against the sum of the tiers."""
        for figure in ("accounts", "arr", "csms"):
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
        if claim.figure == "arr_growth":
            growth = self.growth()[0]
            assert growth is not None
            missing = (stated.low - growth.high) * self.arr
            return (
                f"; the rest would be {money(missing)} ARR from new customers, none is stated" if missing > 0 else ""
            )
        if claim.figure == "nrr" and claim.tier is None:
            open_tiers = [t for t in self.s.tiers if not _is_point(getattr(t.nrr, claim.when or "after"))]
            if len(open_tiers) == 1 and open_tiers[0].arr:
                t, when = open_tiers[0], claim.when or "after"
                others = sum(x.arr * getattr(x.nrr, when) for x in self.s.tiers if x is not t)
                needed = (stated.low * self.arr - others) / t.arr
                return (
                    f"; it would need {t.tier} at {needed:.1%}, where {shown('nrr', interval(getattr(t.nrr, when)))}"
                )
        if claim.figure == "expansion" and claim.tier is None:
            computed = self.expansion(claim.when or "after")[0]
            silent = [t.tier for t in self.s.tiers if getattr(t.expansion, claim.when or "after") is None]
            if computed and silent and stated.low > computed.high:
                return f"; {money(stated.low - computed.high)} would have to come from {', '.join(silent)}"
        return ""

    def conflicts(self) -> Iterator[Line]:
        """Pairs of stated figures that cannot both hold, whatever the tiers do."""
        claims = {(c.figure, c.when, c.tier): interval(c.value) for c in self.s.stated}
        before, after = claims.get(("expansion", "before", None)), claims.get(("expansion", "after", None))
        rise, growth = claims.get(("expansion_growth", None, None)), claims.get(("arr_growth", None, None))
        if before and after and rise and before.low > 0:
            ratio = Interval(after.low / before.high - 1, after.high / before.low - 1)
            text = f"stated after {money(after.low)} / stated before {money(before.low)} - 1"
            yield self.line("expansion_growth", "stated figures", "", rise, ratio, text)
        increments = [v for (f, _, tier), v in claims.items() if f == "expansion_increment" and tier and v]
        if before and after and increments:
            total = sum(increments, Interval(0.0, 0.0))
            text = f"stated increments {' + '.join(money(v.low) for v in increments)}, against stated after - before"
            yield self.line("expansion_increment", "stated figures", "", after - before, total, text)
        if after and growth and self.arr:
            most = Interval(-math.inf, after.high / self.arr)
            text = f"all stated expansion {money(after.high)} / {money(self.arr)}, if nothing at all were lost"
            yield self.line("arr_growth", "stated figures", "", growth, most, text)

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
                yield self.line("fte_freed", t.tier, "after", _point(t.fte_freed), Interval(0.0, had - t.csms), text)
            ratio = self.coverage.ratios.get(t.tier)
            if ratio is not None and ratio.accounts_per_csm:
                need += t.accounts / ratio.accounts_per_csm
                least += t.accounts / (ratio.high or ratio.accounts_per_csm)
                terms.append(f"{t.accounts:,}/{ratio.accounts_per_csm:g}")
        if terms:
            text = f"{' + '.join(terms)} by the policy's ratios = {need:.2f} FTE; {least:.2f} at their loosest"
            yield self.line("csms", "company by ratio", "after", _point(self.csms), Interval(least, math.inf), text)

    def implied(self) -> Iterator[Line]:
        """What NRR and expansion together imply of losses, tier by tier; and claims with no base."""
        for t in self.s.tiers:
            for when in ("before", "after"):
                loss = self.loss(t, when)
                if loss is None:
                    yield from self._bounded_loss(t, when)
                elif loss.high < -self.tolerance:
                    expansion = interval(getattr(t.expansion, when)) or _point(0.0)
                    most = Interval(-math.inf, 1 + expansion.high / t.arr)
                    text = "1 + expansion / ARR: no loss at all, and still the two stated figures cannot both hold"
                    yield Line("nrr", t.tier, when, interval(getattr(t.nrr, when)), most, "not supported", text)
                else:
                    text = "expansion / ARR - NRR + 1; GRR is 1 less this, a month " + _monthly(loss)
                    yield Line("churn_and_contraction", t.tier, when, None, loss, "implied", text)
            yield from self._cost(t)

    def _bounded_loss(self, t: Tier, when: When) -> Iterator[Line]:
        nrr = interval(getattr(t.nrr, when))
        if nrr is not None and nrr.high < 1:
            least = Interval(1 - nrr.high, math.inf)
            text = "1 - NRR; more by whatever was expanded, which is not stated; at least a month " + _monthly(least)
            yield Line("churn_and_contraction", t.tier, when, None, least, "implied", text)

    def _cost(self, t: Tier) -> Iterator[Line]:
        if t.cost_to_serve_change is None:
            return
        before, after = interval(t.cost_to_serve.before), interval(t.cost_to_serve.after)
        stated = _point(t.cost_to_serve_change)
        if before is None or after is None or before.low <= 0:
            yield self.line("cost_to_serve_change", t.tier, "after", stated, None, "no cost to serve is stated")
            return
        change = Interval(after.low / before.high - 1, after.high / before.low - 1)
        yield self.line(
            "cost_to_serve_change", t.tier, "after", stated, change, f"{after.low:,.0f} / {before.low:,.0f} - 1"
        )

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
        if figure in _RATIOS or figure == "churn_and_contraction":
            return f"{x:.1%}"
        return f"{x:,.2f}".rstrip("0").rstrip(".") if figure in _PEOPLE else money(x)

    if value.is_point:
        return one(value.low)
    if value.high == math.inf:
        return f"at least {one(value.low)}"
    if value.low == -math.inf:
        return f"at most {one(value.high)}"
    return f"{one(value.low)} to {one(value.high)}"
