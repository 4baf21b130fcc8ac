"""The figures of a case computed from their parts, by tier and for the company. Not here: stated figures (`audit`).

Definitions are METRICS.md's: NRR and GRR over a closed cohort, so within a tier
`NRR = 1 + expansion / ARR - loss`, where loss is churn and contraction over start ARR, and `GRR = 1 - loss`. Growth
of existing customers is `NRR - 1`; any further stated growth must come from new customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from segmentation_assets.capacity.scenario.intervals import Interval, growth_of, point
from segmentation_assets.capacity.scenario.model import Scenario, Stated, Tier, When, interval
from segmentation_assets.capacity.scenario.words import money, shown
from segmentation_assets.policy.capacity import CoveragePolicy


class Parts:
    """The arithmetic of one scenario."""

    def __init__(self, scenario: Scenario, coverage: CoveragePolicy, tolerance: float) -> None:
        self.s = scenario
        self.coverage = coverage
        self.tolerance = tolerance
        self.arr = sum(t.arr for t in scenario.tiers)
        self.accounts = sum(t.accounts for t in scenario.tiers)
        self.csms = sum(t.csms for t in scenario.tiers)

    def nrr(self, when: When, tier: Tier | None = None) -> tuple[Interval | None, str]:
        """NRR of a tier, or of the company: the tiers' weighted by start ARR; None if a tier with ARR states none."""
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
        stated = [(t, v) for t, v in parts if v is not None]
        if not stated:
            return None, f"no expansion {when} is stated"
        total = sum((v for _, v in stated), Interval(0.0, 0.0))
        silent = [t.tier for t, v in parts if v is None]
        note = f" ({', '.join(silent)}: none stated)" if silent else ""
        return total, " + ".join(shown("expansion", v) for _, v in stated) + note

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
        return growth_of(before, after), f"{shown('expansion', after)} / {shown('expansion', before)} - 1"

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
        loss = expansion.times(1 / tier.arr) - nrr + Interval(1.0, 1.0)
        return Interval(min(max(loss.low, 0.0), 1.0), min(max(loss.high, 0.0), 1.0))

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
            return (None, "no tier states its CSMs before") if tier else (point(self.s.totals.csms), "as in totals")
        tiers = [tier] if tier else self.s.tiers
        value = sum(getattr(t, figure) for t in tiers)
        return point(value), " + ".join(shown(figure, point(getattr(t, figure))) for t in tiers)

    def share(self, figure: str, tier: Tier) -> tuple[Interval | None, str]:
        """A tier's part of all accounts, or of all ARR."""
        own, total = getattr(tier, figure), getattr(self, figure)
        text = f"{shown(figure, point(own))} / {shown(figure, point(total))}"
        return (point(own / total), text) if total else (None, f"no {figure}")

    def accounts_per_csm(self, when: When | None, tier: Tier | None) -> tuple[Interval | None, str]:
        """Before by the totals, after by the tiers."""
        if when == "before" and tier:
            return None, "no tier states its CSMs before"
        sized = self.s.totals if when == "before" else tier or self
        accounts, csms = sized.accounts, sized.csms
        return (point(accounts / csms), f"{accounts:,} / {csms:g}") if csms else (None, "no CSM")

    def compute(self, claim: Stated) -> tuple[Interval | None, str]:
        """The claimed figure computed from its parts, and the arithmetic."""
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
