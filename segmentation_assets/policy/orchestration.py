"""Policy section on running the chain: how far back days go and who answers for which stage.

No table declares it, so changing it makes nothing stale. Not here: anything that a table computes with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.section import Section

Seconds = Annotated[int, Field(ge=1)]
_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


class SensorPolicy(Section):
    """How often the sensors look, and how long a failed run is left alone."""

    arrival_seconds: Seconds
    """Between two looks at the sources; a file that changed between them is still being written."""
    billing_seconds: Seconds
    """Between two looks at the record of landed billing data."""
    alert_seconds: Seconds
    """Between two looks at the alerts and the record of failed runs."""
    retry_seconds: Seconds
    """Before a failed run of a sensor is asked for again; twice as long each time."""
    retry_most_seconds: Seconds
    """The longest of these waits."""
    lost_seconds: Seconds
    """A run that says it has been at work for longer, and that no process works on, is lost."""
    digest_lines: Annotated[int, Field(ge=1)]
    """Alerts that a digest names; of the rest, it gives the number."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_most_seconds < self.retry_seconds:
            raise ValueError("retry_most_seconds must not be less than retry_seconds")
        return self


class OrchestrationPolicy(Section):
    """What the scheduler shows and allows."""

    history_start: date
    """First day that can be asked for; earlier days are read where a rule looks back, but have no place in the UI."""
    owners: Mapping[str, tuple[str, ...]]
    """Who answers for each stage of the chain: e-mail addresses or `team:name`."""

    sensors: SensorPolicy

    @field_validator("owners")
    @classmethod
    def _addresses(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        wrong = [owner for owners in value.values() for owner in owners if not _OWNER.fullmatch(owner)]
        if wrong:
            raise ValueError(f"an owner is an e-mail address or team:name, not {', '.join(wrong)}")
        return value
