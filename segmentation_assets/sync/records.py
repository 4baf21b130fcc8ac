"""What a CRM holds and what the sync asks of it, without any vendor.

Here: records, properties, updates and answers, and what a client of a vendor can do (`Crm`). Not here: HTTP
(`calling`), a vendor (`hubspot`, `salesforce`), or which values are wanted (`changes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Protocol

from segmentation_assets.policy.crm import NUMBER, CrmField
from segmentation_assets.reasons import Refusal


class SyncRefused(Refusal):
    """The sync stops before it writes anything, or at the first sign that it must not go on. The message says why."""


@dataclass(frozen=True)
class Property:
    """A field as the CRM has it. `values`: those of a picklist; None for another kind."""

    name: str
    kind: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Record:
    """An account's record in the CRM, as read. A value is None if the record has none."""

    record_id: str
    values: Mapping[str, str | None]
    is_locked: bool = False


@dataclass(frozen=True)
class Gone:
    """The CRM has no such record. `reason` says what is known: unknown, deleted, or merged into another one."""

    outcome: str
    reason: str


@dataclass(frozen=True)
class Update:
    """New values for one record, by the CRM's names. `address` is what `Crm.read` was asked for."""

    trace_id: str
    address: str
    record_id: str
    values: Mapping[str, str | None]


@dataclass(frozen=True)
class Answer:
    """What the vendor said of one update. `is_done` None: nothing, so nobody knows."""

    is_done: bool | None
    reason: str = ""
    tries: int = 1
    values: Mapping[str, str | None] = field(default_factory=dict)
    """The values that the answer itself states, where it states any."""


class Crm(Protocol):
    """A client of one vendor. `read` and `write` keep within the vendor's limits of a request by themselves."""

    system: str

    def properties(self) -> Mapping[str, Property]:
        """The fields that accounts have, by name."""
        ...

    def group(self, accounts: int) -> int:
        """How many accounts are read and written together, if so many change in all."""
        ...

    def read(self, addresses: Sequence[str], names: Sequence[str]) -> Mapping[str, Record | Gone]:
        """What the CRM holds, by address; every address is in the result."""
        ...

    def changed_by_people(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]] | None:
        """Of these record ids and fields, those that a person changed last. None: the vendor does not say."""
        ...

    def write(self, updates: Sequence[Update], total: int) -> Mapping[str, Answer]:
        """Write, and what the vendor said, by trace id; every update is in the result. Never creates a record."""
        ...

    def plan_setup(self, wanted: Mapping[str, tuple[CrmField, tuple[str, ...]]]) -> Sequence[Setup]:
        """What the CRM lacks: fields, and values of picklists. `wanted`: fields and values, by the CRM's name."""
        ...

    def set_up(self, step: Setup) -> None:
        """Make a field, or add values to it. Values that the field has stay. Raises SyncRefused."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True)
class Setup:
    """One thing that the CRM lacks. `is_new`: the field itself; else `values` are added to its picklist."""

    name: str
    field: CrmField
    values: tuple[str, ...]
    is_new: bool

    def __str__(self) -> str:
        listed = ", ".join(self.values)
        if self.is_new:
            return f"make {self.name} ({self.field.kind})" + (f" with {listed}" if listed else "")
        return f"add to {self.name}: {listed}"


def is_same(kind: str, one: str | None, other: str | None) -> bool:
    """Whether two values of a field are the same. A CRM may write the number 12 as 12.0; empty is no value."""
    one, other = one or None, other or None
    if one is None or other is None or kind != NUMBER:
        return one == other
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return one == other
