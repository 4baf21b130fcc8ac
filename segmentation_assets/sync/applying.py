"""Bringing a CRM up to date: look, decide, write, and put what the CRM said into the log.

Here: one run of the sync, from the guards to the log. Not here: finding changes (`changes`), the vendors (`hubspot`,
`salesforce`), or printing (`cli`).

What may be overwritten: a value that the CRM holds because we sent it, and an empty field. If the CRM holds something
else, somebody changed it: a person's change is kept and reported, another program's is overwritten. A person who
empties the field gives it back to the sync.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from segmentation_assets.policy.crm import CrmField
from segmentation_assets.policy.model import Policy
from segmentation_assets.sync import changes as changed
from segmentation_assets.sync.changes import Change, Facts
from segmentation_assets.sync.guards import check_properties, check_source, picklist_values
from segmentation_assets.sync.log import (
    ACKNOWLEDGED,
    CONFIRMED,
    DRIFTED,
    FAULTS,
    KEPT,
    LOCKED,
    REJECTED,
    UNCONFIRMED,
    Entry,
    Journal,
    journal_file,
    publish,
)
from segmentation_assets.sync.records import Answer, Crm, Gone, Record, Setup, SyncRefused, Update, is_same
from segmentation_assets.warehouse.store import Busy, Holder, Store, locked

Connect = Callable[[], Crm]


def silent(done: int, total: int) -> None:
    """Say nothing about progress."""
    del done, total


_EXAMPLES = 20


@dataclass
class Result:
    """What a run did. `outcomes` counts values by outcome; `examples` are the ones to look at."""

    facts: Facts
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: list[Entry] = field(default_factory=list)

    def add(self, entries: Iterable[Entry]) -> None:
        """Count entries, and keep some of those that a person should see."""
        for entry in entries:
            self.outcomes[entry.outcome] += 1
            if entry.outcome not in {ACKNOWLEDGED, CONFIRMED} and len(self.examples) < _EXAMPLES:
                self.examples.append(entry)

    @property
    def faults(self) -> int:
        """Values that did not reach the CRM through a fault, and accounts without a record."""
        return sum(self.outcomes[each] for each in FAULTS) + len(self.facts.without_record)


@dataclass(frozen=True)
class Run:
    """One run of the sync of one system."""

    home: Path
    policy: Policy
    system: str
    connect: Connect
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None)
    progress: Callable[[int, int], None] = silent

    def preview(self) -> Facts:
        """What would be sent. Asks the CRM nothing."""
        with self._alone():
            publish(Store(self.home), self.system)
            return changed.find_changes(self.home, self.policy, self.system)

    def apply(self, limit: int | None = None, is_confirmed: bool = False, run_id: str | None = None) -> Result:
        """Send what changed, of at most `limit` accounts, the most urgent first.

        Raises SyncRefused before anything is written if a guard does not hold, and in the middle if the CRM does not
        let us go on; what was acknowledged until then stays so.
        """
        store = Store(self.home)
        with self._alone():
            publish(store, self.system)  # of a run that crashed
            facts = changed.find_changes(self.home, self.policy, self.system)
            check_source(facts, self.policy.crm, is_confirmed)
            result = Result(facts)
            with closing(self.connect()) as crm:
                check_properties(self._fields(facts), crm.properties(), self.system)
                first = changed.next_number(self.home, self.system)
                file = journal_file(store, self.system)
                file.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with closing(Journal(file, run_id or uuid.uuid4().hex, first)) as journal:
                        self._send(crm, journal, result, limit)
                        self._read_back(crm, journal, result)
                finally:
                    publish(store, self.system)
            return result

    def setup_steps(self) -> list[Setup]:
        """What the CRM lacks. Writes nothing."""
        facts = self.preview()
        with closing(self.connect()) as crm:
            return list(crm.plan_setup(self._fields(facts, all_values=True)))

    def set_up(self) -> list[Setup]:
        """Make what the CRM lacks, and return it. Nothing that it has is removed."""
        steps = self.setup_steps()
        with closing(self.connect()) as crm:
            for step in steps:
                crm.set_up(step)
        return steps

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One sync of a system at a time. Raises SyncRefused if another one works."""
        with ExitStack() as stack:
            try:
                file = self.home / "sync" / f".{self.system}.lock"
                stack.enter_context(locked(file, Holder.of_this_process(""), 0))
            except Busy as busy:
                raise SyncRefused(
                    f"another sync of {self.system} works: {busy.holder or 'it has just begun'}"
                ) from None
            yield

    def _fields(self, facts: Facts, all_values: bool = False) -> dict[str, tuple[CrmField, tuple[str, ...]]]:
        """The fields and their values, by the CRM's name: those that are sent, or all that can be."""
        sent = changed.wanted_values(facts.file)
        fields = {name: each for name, each in self.policy.crm.fields.items() if name not in facts.absent}
        return {
            each.name_in(self.system): (
                each,
                picklist_values(each, self.policy, sent.get(name, set()))
                if all_values
                else tuple(sorted(sent.get(name, ()))),
            )
            for name, each in fields.items()
            if all_values or name in sent
        }

    def _send(self, crm: Crm, journal: Journal, result: Result, limit: int | None) -> None:
        total = min(result.facts.changed_accounts, limit if limit is not None else result.facts.changed_accounts)
        uncertain = changed.uncertain_values(self.home, self.system)
        done = 0
        for group in _grouped(changed.read_changes(result.facts.file, limit), crm.group(total)):
            self._send_group(crm, journal, result, group, uncertain, total)
            done += len(group)
            self.progress(done, total)

    def _send_group(
        self,
        crm: Crm,
        journal: Journal,
        result: Result,
        group: Sequence[list[Change]],
        uncertain: Mapping[tuple[str, str], set[str]],
        total: int,
    ) -> None:
        """Look at these accounts in the CRM, write what may be written, and record all of it."""
        addressed = [own for own in group if own[0].record_id]
        if not addressed:
            return
        names = sorted({self._name(change.field) for own in addressed for change in own})
        records = crm.read([str(own[0].record_id) for own in addressed], names)
        decided, open_changes = self._decide(crm, addressed, records, uncertain)
        journal.add(decided)
        result.add(decided)
        updates, entries = self._updates(open_changes, records)
        if not updates:
            return
        journal.sending([entry for each in entries.values() for entry in each])
        answers = crm.write(updates, total)
        outcomes = [
            _with_answer(entry, answers[update.trace_id]) for update in updates for entry in entries[update.trace_id]
        ]
        journal.add(outcomes)
        result.add(outcomes)

    def _decide(
        self,
        crm: Crm,
        group: Sequence[list[Change]],
        records: Mapping[str, Record | Gone],
        uncertain: Mapping[tuple[str, str], set[str]],
    ) -> tuple[list[Entry], list[Change]]:
        """What is decided without writing, and the changes that are to be written."""
        entries: list[Entry] = []
        clear: list[Change] = []
        doubtful: list[tuple[Change, Record]] = []
        for own in group:
            record = records[str(own[0].record_id)]
            for change in own:
                if isinstance(record, Gone):
                    entries.append(self._entry(change, None, record.outcome, record.reason))
                    continue
                kind, held = self._field(change.field).kind, record.values.get(self._name(change.field)) or None
                if is_same(kind, held, change.wanted):
                    entries.append(self._entry(change, change.wanted, CONFIRMED, None))
                elif record.is_locked:
                    entries.append(self._entry(change, held, LOCKED, "the record is locked"))
                elif held is None or is_same(kind, held, change.acknowledged):
                    clear.append(change)
                else:
                    doubtful.append((change, record))
        pairs = [(record.record_id, self._name(change.field)) for change, record in doubtful]
        by_people = crm.changed_by_people(pairs) if pairs else set()
        for change, record in doubtful:
            name = self._name(change.field)
            held = record.values.get(name) or None
            if by_people is None:
                is_kept = self._is_of_somebody(change, held, uncertain)
            else:
                is_kept = (record.record_id, name) in by_people
            if is_kept:
                entries.append(self._entry(change, held, KEPT, f"a person set {held}"))
            else:
                clear.append(change)
        return entries, clear

    def _is_of_somebody(
        self, change: Change, held: str | None, uncertain: Mapping[tuple[str, str], set[str]]
    ) -> bool:
        """Where the CRM does not say who: whether somebody changed what we had sent and the CRM had acknowledged."""
        kind = self._field(change.field).kind
        is_ours = any(is_same(kind, held, value) for value in uncertain.get((change.account_id, change.field), ()))
        return change.acknowledged_at is not None and not is_ours

    def _updates(
        self, open_changes: Sequence[Change], records: Mapping[str, Record | Gone]
    ) -> tuple[list[Update], dict[str, list[Entry]]]:
        """One update for each record, and its entries of the log by trace id."""
        by_account: dict[str, list[Change]] = {}
        for change in open_changes:
            by_account.setdefault(change.account_id, []).append(change)
        updates, entries = [], {}
        for own in by_account.values():
            record = records[str(own[0].record_id)]
            assert isinstance(record, Record)
            trace = uuid.uuid4().hex
            values = {self._name(change.field): change.wanted for change in own}
            updates.append(Update(trace, str(own[0].record_id), record.record_id, values))
            entries[trace] = [self._entry(change, None, UNCONFIRMED, None, trace) for change in own]
        return updates, entries

    def _read_back(self, crm: Crm, journal: Journal, result: Result) -> None:
        """Compare some accounts with what the CRM acknowledged. What differs goes into the log."""
        day = result.facts.as_of
        seed = f"{self.now():%Y-%m-%d}"
        rows = changed.acknowledged_sample(self.home, self.system, self.policy.crm.read_back, seed)
        rows = [row for row in rows if row[2] in self.policy.crm.fields]
        for part in _by_account(rows, crm.group(len(rows))):
            names = sorted({self._name(row[2]) for row in part})
            records = crm.read(list(dict.fromkeys(row[1] for row in part)), names)
            differing: list[tuple[tuple[str, str, str, str | None], Record, str | None]] = []
            for row in part:
                record = records[row[1]]
                if isinstance(record, Gone):
                    continue  # changes of this account say so
                held = record.values.get(self._name(row[2])) or None
                if not is_same(self._field(row[2]).kind, held, row[3]):
                    differing.append((row, record, held))
            pairs = [(record.record_id, self._name(row[2])) for row, record, _ in differing]
            people = crm.changed_by_people(pairs) if pairs else set()
            entries = []
            for (account, address, name, value), record, held in differing:
                is_kept = people is None or (record.record_id, self._name(name)) in people
                entries.append(
                    Entry(account, address, name, value, held, KEPT if is_kept else DRIFTED,
                          f"read back: {held or 'no value'} in place of {value or 'no value'}", None, None, 0,
                          self.now(), day, "")
                )  # fmt: skip
            journal.add(entries)
            result.add(entries)

    def _entry(
        self, change: Change, held: str | None, outcome: str, reason: str | None, trace: str | None = None
    ) -> Entry:
        return Entry(
            change.account_id, str(change.record_id), change.field, change.wanted, held, outcome, reason,
            change.cause, trace, 0, self.now(), change.as_of, change.policy_hash,
        )  # fmt: skip

    def _field(self, name: str) -> CrmField:
        return self.policy.crm.fields[name]

    def _name(self, name: str) -> str:
        return self._field(name).name_in(self.system)


def _with_answer(entry: Entry, answer: Answer) -> Entry:
    if answer.is_done is None:
        return replace(entry, outcome=UNCONFIRMED, reason=answer.reason, tries=answer.tries)
    if not answer.is_done:
        return replace(entry, outcome=REJECTED, reason=answer.reason, tries=answer.tries)
    return replace(entry, outcome=ACKNOWLEDGED, held=entry.value, reason=None, tries=answer.tries)


def _grouped(accounts: Iterator[list[Change]], size: int) -> Iterator[list[list[Change]]]:
    group: list[list[Change]] = []
    for own in accounts:
        group.append(own)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _by_account(
    rows: Sequence[tuple[str, str, str, str | None]], size: int
) -> Iterator[list[tuple[str, str, str, str | None]]]:
    """Rows of at most `size` accounts at a time."""
    part: list[tuple[str, str, str, str | None]] = []
    accounts: set[str] = set()
    for row in rows:
        if row[0] not in accounts and len(accounts) == size:
            yield part
            part, accounts = [], set()
        accounts.add(row[0])
        part.append(row)
    if part:
        yield part
