"""Policy sections on the company itself and on what it takes in."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from segmentation_assets.policy.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Days = Annotated[int, Field(ge=0)]


class CompanyPolicy(Section):
    """Where the company's day ends and which currency it reports in."""

    timezone: str
    reporting_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    renewal_grace_days: Days
    """A gap of at most so many days between two subscriptions of an account is a late renewal, not churn."""
    pause_days: Annotated[int, Field(ge=1)]
    """A price of 0 inside a subscription is a pause; from so many days on the account counts as lost."""

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("not an IANA time zone such as Europe/Berlin")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone object."""
        return ZoneInfo(self.timezone)

    def today(self) -> date:
        """The day it is now where the company is, whatever the clock of this machine is set to."""
        return datetime.now(self.zone).date()


class ExtractsPolicy(Section):
    """What an extract may get wrong before nothing of it is used."""

    max_quarantine_share: Share
    may_lack_account: tuple[Annotated[str, Field(min_length=1)], ...]
    """Extracts whose rows need not have an account. Such rows are refused, and do not count for the share."""
    max_shrink_share: Share
    shrink_from_rows: Annotated[int, Field(ge=1)]
