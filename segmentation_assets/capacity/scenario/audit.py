"""The audit of a business case: every stated figure against its parts. Not here: computing from parts (`parts`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from segmentation_assets.capacity.scenario.intervals import ROUNDING, Interval, growth_of, point
from segmentation_assets.capacity.scenario.model import Scenario, Stated, Tier, When, interval, is_point
from segmentation_assets.capacity.scenario.parts import Parts
from segmentation_assets.capacity.scenario.words import money, monthly, shown
from segmentation_assets.policy.capacity import CoveragePolicy, ScenarioPolicy
from segmentation_assets.policy.kpis import TargetPolicy

Verdict = Literal["supported", "not supported", "not checkable", "implied", "questionable"]
"""Questionable: no stated figure is wrong, but two of them, or one and the policy's target, are inconsistent."""
Claims = dict[tuple[str, When | None, str | None], Interval | None]
"""Stated figures by (figure, when, tier)."""


@dataclass(frozen=True)
class Line:
    """One line of the audit: the stated figure, the figure computed from its parts, and the arithmetic."""

    figure: str
    scope: str
    when: str
    stated: Interval | None
    computed: Interval | None
    verdict: Verdict
    arithmetic: str

    @property
    def difference(self) -> float | None:
        """Stated minus the nearest computed value; None if either is missing, 0 if they overlap."""
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


def audit(scenario: Scenario, coverage: CoveragePolicy, targets: TargetPolicy, policy: ScenarioPolicy) -> Audit:
    """Compute the case, and compare every stated figure with its parts, the order of the tiers and their targets."""
    case = _Case(scenario, coverage, policy.tolerance_share)
    lines = [*case.totals(), *case.claims(), *case.conflicts(), *case.people(), *case.implied()]
    lines += [*case.order(), *case.below_target(targets), *case.headcount(), *case.over_the_path()]
    return Audit(scenario.name, scenario.currency, case.rows(), lines)


class _Case(Parts):
    """One scenario, figure by figure, against what it states."""

    def line(
        self, figure: str, scope: str, when: str, stated: Interval, computed: Interval | None, arithmetic: str
    ) -> Line:
        """A stated figure against the figure computed from its parts."""
        if computed is None:
            return Line(figure, scope, when, stated, None, "not checkable", arithmetic)
        holds = computed.meets(stated, self.tolerance)
        return Line(figure, scope, when, stated, computed, "supported" if holds else "not supported", arithmetic)

    def totals(self) -> Iterator[Line]:
        """The company's totals against the sum of the tiers. CSMs are those of before here, and of after there."""
        for figure in ("accounts", "arr"):
            terms = " + ".join(shown(figure, point(getattr(t, figure))) for t in self.s.tiers)
            yield self.line(
                figure,
                "company",
                "before",
                point(getattr(self.s.totals, figure)),
                point(getattr(self, figure)),
                terms,
            )

    def claims(self) -> Iterator[Line]:
        """Each stated figure. If its parts give another one, the line says what would make the stated figure true."""
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
        """If one tier's NRR is open: the NRR it would need for the company's stated NRR."""
        open_tiers = [t for t in self.s.tiers if t.arr and not is_point(getattr(t.nrr, when))]
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
            yield self.line("expansion_growth", "stated figures", "", rise, growth_of(before, after), text)
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
        """The loss implied by the company's stated NRR and expansion, against the loss implied by the tiers."""
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
        """Shares of all tiers add up to 1; shares of some tiers to at most 1."""
        for figure in ("accounts_share", "arr_share"):
            shares = {tier: v for (f, _, tier), v in claims.items() if f == figure and v}
            if len(shares) > 1 or len(shares) == len(self.s.tiers):
                whole = Interval(1.0 if len(shares) == len(self.s.tiers) else 0.0, 1.0)
                text = f"{' + '.join(shown(figure, v) for v in shares.values())} of {', '.join(map(str, shares))}"
                yield self.line(figure, "stated figures", "", sum(shares.values(), Interval(0.0, 0.0)), whole, text)

    def people(self) -> Iterator[Line]:
        """The headcount needed by the policy's ratios, and the people stated as freed."""
        flat = self.s.totals.accounts / self.s.totals.csms
        need, least, terms = 0.0, 0.0, []
        for t in self.s.tiers:
            if t.fte_freed is not None:
                had = t.accounts / flat
                text = (
                    f"{t.accounts:,} accounts / {flat:g} per CSM spread evenly = {had:.2f} FTE spent on them before"
                )
                freed = Interval(0.0, max(had - t.csms, 0.0))
                yield self.line("fte_freed", t.tier, "after", point(t.fte_freed), freed, text)
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
            yield self.line("csms", "company by ratio", "after", point(self.csms), Interval(least, math.inf), text)

    def implied(self) -> Iterator[Line]:
        """Figures that the stated ones imply: the change of CSMs, and losses by tier and of the company."""
        before = self.s.totals.csms
        text = f"{self.size('csms', 'after', None)[1]} under the new coverage - {before:g} before"
        yield Line("csms_change", "company", "after", None, point(self.csms - before), "implied", text)
        times: tuple[When, When] = ("before", "after")
        for t in self.s.tiers:
            for when in times:
                yield from self._implied_loss(t, when)
            yield from self._cost(t)
        for when in times:
            losses = self.losses(when)
            if losses is not None and losses.high - losses.low < 1:
                text = (
                    f"the tiers', weighted by ARR{self._silent(when)}; GRR is 1 less this, a month {monthly(losses)}"
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
                yield Line("churn_and_contraction", t.tier, when, None, least, "implied", text + monthly(least))
            return
        shares = expansion.times(1 / t.arr)
        possible = Interval(shares.low, 1 + shares.high)
        if not possible.meets(nrr, self.tolerance):
            text = "between expansion / ARR, if all else were lost, and 1 + expansion / ARR, if nothing were: "
            text += "the two stated figures cannot both hold"
            yield Line("nrr", t.tier, when, nrr, possible, "not supported", text)
            return
        text = "expansion / ARR - NRR + 1; GRR is 1 less this, a month " + monthly(loss)
        nothing = "; not one account leaves or shrinks in a year" if loss.high <= ROUNDING else ""
        yield Line("churn_and_contraction", t.tier, when, None, loss, "implied", text + nothing)

    def _cost(self, t: Tier) -> Iterator[Line]:
        if t.cost_to_serve_change is None:
            return
        before, after = interval(t.cost_to_serve.before), interval(t.cost_to_serve.after)
        stated = point(t.cost_to_serve_change)
        if before is None or after is None or before.low <= 0:
            yield self.line("cost_to_serve_change", t.tier, "after", stated, None, "no cost to serve is stated")
            return
        text = f"{shown('arr', after)} / {shown('arr', before)} - 1"
        yield self.line("cost_to_serve_change", t.tier, "after", stated, growth_of(before, after), text)

    # -- figures that do not go together

    def order(self) -> Iterator[Line]:
        """A lower tier whose accounts have more ARR each than those of the tier above."""
        tiers = [t for name in self.coverage.ratios for t in self.s.tiers if t.tier == name and t.accounts]
        for above, below in pairwise(tiers):
            upper, lower = above.arr / above.accounts, below.arr / below.accounts
            if lower > upper * (1 + self.tolerance):
                text = (
                    f"{money(below.arr)} / {below.accounts:,}, above {above.tier}'s {money(above.arr)} / "
                    f"{above.accounts:,} = {money(upper)}: the accounts that get least attention are worth more each"
                )
                most = Interval(-math.inf, upper)
                yield Line("arr_per_account", below.tier, "", point(lower), most, "questionable", text)

    def below_target(self, targets: TargetPolicy) -> Iterator[Line]:
        """Tiers whose GRR, implied by NRR and expansion, is below the policy's target."""
        times: tuple[When, When] = ("before", "after")
        for t in self.s.tiers:
            target = next((value for name, value in targets.grr.items() if name == t.tier), None)
            for when in times:
                grr, text = self.grr(when, t)
                if target is None or grr is None or getattr(t.expansion, when) is None:
                    continue
                if grr.high < target.low - ROUNDING:
                    goal = Interval(target.low, math.inf)
                    lost = shown("churn_and_contraction", self.loss(t, when))
                    loss = f"{text} of {lost}; the target is the policy's"
                    yield Line("grr", t.tier, when, goal, grr, "questionable", loss)

    def headcount(self) -> Iterator[Line]:
        """Other roles that the coverage needs besides CSMs, if the case states the number of CSMs after."""
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
        """ARR after a year / ARR at the stated NRR before: the part of the growth that the change adds."""
        path = next((interval(c.value) for c in self.s.stated
                     if c.figure == "nrr" and c.when == "before" and c.tier is None), None)  # fmt: skip
        after = self.nrr("after")[0]
        if path is None or after is None or path.low <= 0 or not self.arr:
            return
        text = (
            f"{shown('arr', after.times(self.arr))} / ({money(self.arr)} x {shown('nrr', path)} = "
            f"{shown('arr', path.times(self.arr))}) - 1: the rest of the growth comes with the stated NRR before"
        )
        yield Line("arr_over_path", "company", "after", None, growth_of(path, after), "implied", text)
