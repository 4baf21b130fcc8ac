"""Policy section on the CRM sync: which fields the CRM gets, under which names, and when the sync refuses to write.

No table uses it, so changing it makes nothing stale. Not here: secrets, which stand in the environment alone
(`sync.secrets`), or sending (`sync`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from segmentation_assets.policy.company import Positive, Share
from segmentation_assets.policy.section import Section

System = Literal["hubspot", "salesforce"]
SYSTEMS: tuple[System, ...] = ("hubspot", "salesforce")
SEGMENT_FIELD = "segment"
TIER_FIELD = "coverage_tier"
PICKLIST, NUMBER, TEXT = "picklist", "number", "text"
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _address(value: str) -> str:
    parts = urlsplit(value)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.username:
        raise ValueError("an address is https:// and a host name, such as https://api.hubapi.com")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
"""Where a vendor's API is. Tokens travel to it, so it must be encrypted, except to this machine itself."""

_Property = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
_Custom = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}__c$")]


class CrmField(Section):
    """One field of an account in the CRM."""

    column: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z0-9_]+$")]
    """Published table and column, such as `segments.segment`. The newest day of the table is sent."""
    kind: Literal["picklist", "number", "text"]
    label: Annotated[str, Field(min_length=1, max_length=40)]
    """Name that people see in the CRM, if the sync makes the field."""
    digits: Annotated[int, Field(ge=0, le=6)] = 0
    """Decimals of a number. Smaller changes are not sent."""
    values: Mapping[str, Annotated[str, Field(min_length=1)]] = {}
    """The CRM's word for a value, such as an owner's id or name for a csm_id. Other values are sent as they are."""
    hubspot: _Property
    """Internal name of the HubSpot property."""
    salesforce: _Custom
    """API name of the Salesforce field."""

    @model_validator(mode="after")
    def _numbers_have_no_words(self) -> Self:
        if self.kind == NUMBER and self.values:
            raise ValueError("values are for a picklist or a text, not for a number")
        return self

    def name_in(self, system: str) -> str:
        """What the CRM calls the field."""
        return self.hubspot if system == "hubspot" else self.salesforce


class HubSpotPolicy(Section):
    """How HubSpot is called."""

    address: Address
    api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
    """The dated version of the API, a part of each path."""
    property_group: _Property
    """Group of the properties that `--setup` makes."""
    requests_per_second: Positive
    """Requests are spread so that no more than this many start in a second."""
    people_sources: tuple[Annotated[str, Field(min_length=1)], ...]
    """Values of `sourceType` in a property's history that stand for a person's change."""
    lock_property: _Property | None
    """A checkbox on the company: where it is true, the sync leaves the company alone. null: there is none."""


class SalesforcePolicy(Section):
    """How Salesforce is called."""

    address: Address | None
    """My Domain, such as https://acme.my.salesforce.com."""
    api_version: Annotated[str, Field(pattern=r"^\d{2,3}\.0$")]
    external_id: _Custom
    """Field of Account that holds the account_id. Accounts are looked up by it, and never created."""
    requests_per_second: Positive
    bulk_from: Annotated[int, Field(ge=1)]
    """From this many accounts on, the Bulk API 2.0 is used in place of collections of 200."""
    bulk_wait_seconds: Positive
    """Longest wait for a bulk job. A job that takes longer is not acknowledged; the next run looks at it again."""
    lock_field: _Custom | None
    """A checkbox on the account: where it is true, the sync leaves the account alone. null: there is none."""


class CrmPolicy(Section):
    """What the CRM gets, and when the sync refuses to write."""

    systems: tuple[System, ...]
    """The CRMs for which the daily and weekly runs make `crm_changes`. A command can name any."""
    applies: bool
    """Whether the daily and weekly runs also write to the CRM. false: only `segmentation sync --apply` does."""
    record_id: Literal["crm_record_id", "account_id"]
    """Column of `crm_accounts` that holds the id of the HubSpot company."""
    fields: Mapping[str, CrmField]
    null_overwrites: bool
    """Whether a value that is not known clears the CRM's. false: the CRM keeps what it has."""
    max_changed_share: Share
    """If a larger share of accounts changes segment, writing needs `--confirm`."""
    max_shrink_share: Share
    """If the newest day has this share fewer accounts than the day last sent, writing needs `--confirm`."""
    read_back: Annotated[int, Field(ge=0)]
    """Accounts that each run reads back to compare the CRM with what it acknowledged. Other accounts each day."""
    attempts: Annotated[int, Field(ge=1)]
    """A request is tried this many times before the sync gives up."""
    wait_most_seconds: Positive
    """Longest wait before a further try. A vendor that asks for more (a daily limit) ends the run."""
    timeout_seconds: Positive
    hubspot: HubSpotPolicy
    salesforce: SalesforcePolicy

    @field_validator("fields")
    @classmethod
    def _names(cls, value: Mapping[str, CrmField]) -> Mapping[str, CrmField]:
        wrong = [name for name in value if not _FIELD_NAME.fullmatch(name)]
        if wrong or not value:
            raise ValueError(f"a field has a name such as value_tier, not {', '.join(wrong) or 'none at all'}")
        return value

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for system in SYSTEMS:
            names = [field.name_in(system) for field in self.fields.values()]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"fields: {', '.join(twice)} stands for two fields of {system}")
        lock = {self.hubspot.lock_property, self.salesforce.lock_field}
        if taken := lock & {field.name_in(system) for system in SYSTEMS for field in self.fields.values()}:
            raise ValueError(f"{', '.join(map(str, taken))}: the lock cannot be a field that the sync writes")
        return self
