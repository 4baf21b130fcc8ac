"""How a sync looks in the terminal: what would be sent, and what became of it.

Here: layout. Not here: the figures (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from segmentation_assets.policy.crm import SEGMENT_FIELD
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.figures import counted, day, label, money, share
from segmentation_assets.sync.applying import Result
from segmentation_assets.sync.changes import CAUSES, Change, Facts, read_changes

_MOVES, _LISTED = 10, 10
_CAUSES = (*CAUSES, "not known")


def print_preview(facts: Facts) -> None:
    """Counts by field and cause, the biggest moves, and what stands in the way."""
    console = Console(highlight=False)
    console.print(
        f"{facts.system}, as of {day(facts.as_of)}: {counted(facts.changes, 'value')} of "
        f"{counted(facts.changed_accounts, 'account')} to send, of {counted(facts.accounts, 'account')}"
    )
    if facts.changes:
        console.print(_counts(facts))
    moves = list(biggest_moves(facts))
    if moves:
        console.print("Largest accounts that change segment, At-Risk first:")
        for change in moves:
            console.print(f"  {_move(change)}")
    for line in _remarks(facts):
        console.print(line)
    console.print(f"nothing was sent: `segmentation sync {facts.system} --apply` sends it")


def print_result(result: Result) -> None:
    """Values by outcome, and the ones to look at."""
    console = Console(highlight=False)
    console.print(
        f"{result.facts.system}, as of {day(result.facts.as_of)}: "
        + (
            ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(result.outcomes.items()))
            or "nothing to send"
        )
    )
    for entry in result.examples[:_LISTED]:
        console.print(
            f"  {entry.outcome}: {escape(entry.account_id)}, {label(entry.field)}: {escape(entry.reason or '')}"
        )
    for line in _remarks(result.facts):
        console.print(line)


def preview_as_plain(facts: Facts) -> dict[str, Any]:
    """The preview for machines."""
    return {
        "system": facts.system, "as_of": facts.as_of, "accounts": facts.accounts, "changes": facts.changes,
        "changed_accounts": facts.changed_accounts, "by_field": facts.by_field,
        "segment_moves": facts.moved, "share_moved": facts.share_moved,
        "waiting": facts.waiting, "without_record": facts.without_record, "shared_records": facts.shared,
        "absent_fields": facts.absent,
        "biggest_moves": [
            {"account_id": each.account_id, "account_name": each.account_name, "from": each.acknowledged,
             "to": each.wanted, "cause": each.cause, "arr": each.arr}
            for each in biggest_moves(facts)
        ],
    }  # fmt: skip


def result_as_plain(result: Result) -> dict[str, Any]:
    """The result for machines."""
    return {
        "system": result.facts.system, "as_of": result.facts.as_of, "outcomes": dict(result.outcomes),
        "without_record": result.facts.without_record, "faults": result.faults,
        "examples": [
            {"account_id": each.account_id, "field": each.field, "outcome": each.outcome, "wanted": each.value,
             "held": each.held, "reason": each.reason}
            for each in result.examples
        ],
    }  # fmt: skip


def biggest_moves(facts: Facts) -> Iterable[Change]:
    """The first accounts that change segment; `crm_changes` has moves into At-Risk first, then the largest ARR."""
    count = 0
    for own in read_changes(facts.file):
        for change in own:
            if change.field == SEGMENT_FIELD:
                yield change
                count += 1
        if count >= _MOVES or not any(change.field == SEGMENT_FIELD for change in own):
            return


def _counts(facts: Facts) -> Table:
    causes = [cause for cause in _CAUSES if any(cause in each for each in facts.by_field.values())]
    table = Table("field", *causes, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, counts in sorted(facts.by_field.items(), key=lambda each: -sum(each[1].values())):
        table.add_row(label(name), *(f"{counts[cause]:,}" if cause in counts else "" for cause in causes))
    return table


def _move(change: Change) -> str:
    name = escape(change.account_name or change.account_id)
    if change.acknowledged is None:
        return f"{name}: {change.wanted}, {money(change.arr)} ARR"
    cause = f", {change.cause}" if change.cause else ""
    return f"{name}: {change.acknowledged} to {change.wanted}{cause}, {money(change.arr)} ARR"


def _remarks(facts: Facts) -> list[str]:
    lines = []
    if facts.moved_in_all:
        split = ", ".join(f"{count:,} by {cause}" for cause, count in facts.moved.items())
        lines.append(
            f"{facts.moved_in_all:,} of {counted(facts.acknowledged_accounts, 'account')} that the CRM knows change "
            f"segment ({share(facts.share_moved)}): {split}"
        )
    for outcome, count in sorted(facts.waiting.items()):
        lines.append(f"{counted(count, 'value')} again: the last attempt was {outcome}")
    if facts.without_record:
        listed = ", ".join(map(escape, facts.without_record[:_LISTED]))
        more = "" if len(facts.without_record) <= _LISTED else ", ..."
        lines.append(
            f"{counted(len(facts.without_record), 'account')} without a record id ({listed}{more}): map "
            "crm_accounts.crm_record_id in sources.yaml, or set crm.record_id in the policy"
        )
    for record, accounts in facts.shared.items():
        lines.append(f"record {escape(record)} stands for several accounts: {', '.join(map(escape, accounts))}")
    if facts.absent:
        lines.append(f"not sent, since their tables are not published: {', '.join(map(label, facts.absent))}")
    return lines
