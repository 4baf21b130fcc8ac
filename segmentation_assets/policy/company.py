"""Policy sections on the company itself and on its extracts."""

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
    """The company's timezone and currency, and when a gap or a pause is churn."""

    timezone: str
    reporting_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    renewal_grace_days: Days
    """A gap of up to this many days between two subscriptions of an account is a late renewal, not churn."""
    pause_days: Annotated[int, Field(ge=1)]
    """A price of 0 within a subscription is a pause. From this many days on the account has churned."""

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
        """Today in the company's timezone, whatever the timezone of this machine."""
        return datetime.now(self.zone).date()


class ExtractsPolicy(Section):
    """From when on a bad extract is refused as a whole, or a shrunken one waits for approval."""

    max_quarantine_share: Share
    may_lack_account: tuple[Annotated[str, Field(min_length=1)], ...]
    """Extracts whose rows need not have an account. Such rows are refused, and do not count for the share."""
    max_shrink_share: Share
    shrink_from_rows: Annotated[int, Field(ge=1)]
