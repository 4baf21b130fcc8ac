"""Policy section on running the chain: how far back days go and who answers for which stage.

No table declares it, so changing it makes nothing stale. Not here: anything that a table computes with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from pydantic import field_validator

from segmentation_assets.policy.section import Section

_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


class OrchestrationPolicy(Section):
    """What the scheduler shows and allows."""

    history_start: date
    """First day that can be asked for; earlier days are read where a rule looks back, but have no place in the UI."""
    owners: Mapping[str, tuple[str, ...]]
    """Who answers for each stage of the chain: e-mail addresses or `team:name`."""

    @field_validator("owners")
    @classmethod
    def _addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        wrong = [owner for owners in value.values() for owner in owners if not _OWNER.fullmatch(owner)]
        if wrong:
            raise ValueError(f"an owner is an e-mail address or team:name, not {', '.join(wrong)}")
        return value
