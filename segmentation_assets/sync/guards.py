"""What must hold before anything is written to a CRM.

Here: the conditions and their messages. Not here: asking the CRM (`hubspot`, `salesforce`), or counting (`changes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segmentation_assets.policy.crm import PICKLIST, CrmField, CrmPolicy
from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.segments import MICRO_SEGMENTS, SEGMENTS, TIERS, VALUE_TIERS
from segmentation_assets.reading.figures import counted, share
from segmentation_assets.sync.changes import Facts
from segmentation_assets.sync.records import Property, SyncRefused

_LISTED = 5


def check_source(facts: Facts, policy: CrmPolicy, is_confirmed: bool) -> None:
    """Raises SyncRefused for an empty source, for a shrunken one and for many moves unless they are confirmed."""
    if not facts.accounts:
        raise SyncRefused(f"segments of {facts.as_of} has no accounts: nothing is written. See `segmentation status`")
    if facts.shared:
        listed = "; ".join(f"{record}: {', '.join(names)}" for record, names in [*facts.shared.items()][:_LISTED])
        raise SyncRefused(
            f"{counted(len(facts.shared), 'record')} of the CRM stand for several accounts ({listed}): nothing is "
            "written. Correct the column of record ids in the mapping of crm_accounts"
        )
    if is_confirmed:
        return
    if facts.before and facts.accounts < facts.before * (1 - policy.max_shrink_share):
        raise SyncRefused(
            f"{facts.as_of} has {counted(facts.accounts, 'account')}; {facts.before_as_of}, the day sent last, has "
            f"{facts.before:,}. Nothing is written, since extracts may lack rows. If this is right, say --confirm"
        )
    if facts.share_moved is not None and facts.share_moved > policy.max_changed_share:
        split = ", ".join(f"{count:,} by {cause}" for cause, count in facts.moved.items())
        raise SyncRefused(
            f"{facts.moved_in_all:,} of {counted(facts.acknowledged_accounts, 'account')} change segment "
            f"({share(facts.share_moved)}; {split}), more than crm.max_changed_share "
            f"({share(policy.max_changed_share)}). Nothing is written. If this is right, say --confirm"
        )


def check_properties(
    wanted: Mapping[str, tuple[CrmField, tuple[str, ...]]], present: Mapping[str, Property], system: str
) -> None:
    """Raises SyncRefused for a field that the CRM lacks, has with another type, or whose picklist lacks a value.

    `wanted`: a field and the values that are to be sent, by the CRM's name.
    """
    problems = []
    for name, (field, values) in wanted.items():
        own = present.get(name)
        if own is None:
            problems.append(f"there is no field {name} ({field.kind}, {field.column})")
        elif own.kind != field.kind:
            problems.append(f"{name} is of the type {own.kind}; {field.column} is sent as a {field.kind}")
        elif field.kind == PICKLIST:
            lacking = [value for value in values if value not in (own.values or ())]
            if lacking:
                problems.append(f"the picklist {name} has no value {', '.join(map(repr, lacking))}")
    if problems:
        raise SyncRefused(
            "nothing is written: " + "; ".join(problems) + f". `segmentation sync {system} --setup` shows what is "
            "missing, with --apply it adds it; it never removes a value"
        )


def picklist_values(field: CrmField, policy: Policy, sent: set[str]) -> tuple[str, ...]:
    """The values that a picklist should have: those that the table can have, in their order, then any others sent."""
    if field.kind != PICKLIST:
        return ()
    column = field.column.partition(".")[2]
    possible: Mapping[str, Any] = {
        "segment": SEGMENTS,
        "coverage_tier": TIERS,
        "micro_segment": MICRO_SEGMENTS,
        "value_tier": VALUE_TIERS,
        "behavioral_cohort": tuple(cohort.name for cohort in policy.behavioral.cohorts),
        "needs_profile": tuple(policy.needs.scores),
    }
    values = tuple(possible.get(column, ()))
    return (*values, *sorted(sent - {*values}))
