"""Policy sections on coverage: how many accounts one CSM looks after, and how a business case is audited."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from segmentation_assets.policy.company import Positive, Share
from segmentation_assets.policy.section import Section


class CoverageRatio(Section):
    """Accounts one CSM looks after in a tier, and the range that is still sound. Null: no CSM by ratio."""

    accounts_per_csm: Annotated[float, Field(gt=0)] | None
    low: Positive | None = None
    high: Positive | None = None

    @model_validator(mode="after")
    def _ordered(self) -> CoverageRatio:
        low, high, target = self.low, self.high, self.accounts_per_csm
        if target is not None and ((low and low > target) or (high and high < target)):
            raise ValueError(f"accounts_per_csm {target} is not between low {low} and high {high}")
        return self


class CoveragePolicy(Section):
    """Coverage ratios by tier; tiers in order of attention."""

    ratios: dict[str, CoverageRatio]


class ScenarioPolicy(Section):
    """How near a stated figure must be to what its parts give."""

    tolerance_share: Share
