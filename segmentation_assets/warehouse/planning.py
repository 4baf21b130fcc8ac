"""Which days a request needs, and which of them are up to date.

Here: fingerprints, needed days, freshness and its causes. This module only reads. Not here: bringing tables up to
date (`building`), landing extracts (`extracts.landing`).

A published file carries a fingerprint of its origin, in three parts joined by dots: the code and contracts of its
function and of all tables upstream, the policy sections that these declare, and the rows of the extracts that they
read. If the fingerprint is equal, there is nothing to do. If not, the parts that differ say why. So a table at a day
depends only on extracts and policy, not on earlier runs.

A ledger is the exception, because it remembers. It is posted for the newest day of a request, and never for a day
(long) before the newest one posted. For its readers it is like an extract: its fingerprint is a hash of its content.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import LookBack, days_read
from segmentation_assets.tables.registry import AS_OF, Input, Registry, TableSpec
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.footers import Footer, read_footers
from segmentation_assets.warehouse.packs import by_day, packs_of
from segmentation_assets.warehouse.store import Store, footer, is_damaged

ABSENT = "absent"
MISSING, DAMAGED = "missing", "damaged"
_NOTHING = Footer({}, 0)


class Fingerprint(NamedTuple):
    """What decides a table's rows. Each part is a hash over the table and all tables upstream."""

    code: str
    policy: str
    data: str

    def __str__(self) -> str:
        return ".".join(self)


class Planner:
    """Compares what is published in one home with what a run would build now. It only reads, each file once."""

    def __init__(self, store: Store, registry: Registry, policy: Policy, *, remember: bool = False) -> None:
        self.store = store
        self.registry = registry
        self.policy = policy
        self.sections = policy.sections
        self._remember = remember
        self._expected: dict[tuple[str, date | None], Fingerprint | str] = {}
        self._read: dict[tuple[LookBack | None, date], Sequence[date]] = {}
        self._footers: dict[Path, Mapping[str, Any]] = {}
        self._by_day: dict[str, dict[date, Footer]] = {}
        self._landed: dict[str, dict[date, None]] = {}
        self._days_alone: dict[str, frozenset[date]] = {}
        self._in_packs: dict[str, dict[date, Mapping[str, Any]]] = {}

    def plan(self, names: Iterable[str], days: Iterable[date]) -> dict[str, list[date]]:
        """The days that each table needs for `names` at `days`, look-backs included; upstream first."""
        targets = list(names)
        needs: dict[str, set[date]] = defaultdict(set)
        for name in targets:
            needs[name] |= set(days)
        order = self.registry.upstream(targets)
        for spec in reversed(order):
            if spec.is_ledger:
                needs[spec.name] = set(sorted(needs[spec.name])[-1:])
            for item in spec.inputs:
                for day in needs[spec.name]:
                    needs[item.name].update(self.days_read(item, day))
        return {spec.name: self._existing(spec, needs[spec.name]) for spec in order}

    def days_read(self, item: Input, day: date) -> Sequence[date]:
        """The days of an input that one `as_of` reads. Cached, because every table downstream needs them again."""
        key = item.reads, day
        if key not in self._read:
            self._read[key] = tuple(days_read(item.reads, day, self.sections))
        return self._read[key]

    def _existing(self, spec: TableSpec, days: Iterable[date]) -> list[date]:
        """The days among `days` that a table can have. A table that is not by `as_of` has only the landed days."""
        if not self._is_by_landed_day(spec):
            return sorted(days)
        landed = self.landed_days(spec)
        return sorted(day for day in set(days) if day in landed)

    def landed_days(self, spec: TableSpec) -> Mapping[date, None]:
        """The days of a table that follows its extract's days: the days of all extracts upstream with that column."""
        if spec.name not in self._landed:
            behind = self.registry.upstream([spec.name])
            extracts = [each for each in behind if each.is_extract and each.partition == spec.partition]
            self._landed[spec.name] = dict.fromkeys(sorted({d for e in extracts for d in self.footers_of(e)}))
        return self._landed[spec.name]

    def footers_of(self, spec: TableSpec) -> Mapping[date, Footer]:
        """The footers of a table that is not by `as_of`, by day, ascending."""
        if spec.name not in self._by_day:
            self._by_day[spec.name] = read_footers(
                self.store, spec.name, str(spec.partition), remember=self._remember
            )
        return self._by_day[spec.name]

    def forget_landed(self) -> None:
        """Call this after landing: fingerprints of extracts may have changed."""
        self._expected.clear()
        self._footers.clear()
        self._by_day.clear()
        self._landed.clear()
        self._days_alone.clear()
        self._in_packs.clear()

    def forget_expected(self) -> None:
        """Call this after posting a ledger: the fingerprints of its readers have changed."""
        self._expected.clear()

    def expected(self, spec: TableSpec, day: date | None) -> str:
        """The fingerprint that `spec` at `day` has if it is up to date."""
        return str(self._fingerprint(spec, day))

    def _fingerprint(self, spec: TableSpec, day: date | None) -> Fingerprint | str:
        """The fingerprint in parts. For an extract or a ledger it is one text, a hash of its rows."""
        key = (spec.name, day)
        if key not in self._expected:
            is_text = spec.is_extract or spec.is_ledger
            self._expected[key] = self._extract_fingerprint(spec, day) if is_text else self._made_from(spec, day)
        return self._expected[key]

    def _made_from(self, spec: TableSpec, day: date | None) -> Fingerprint:
        code, data = {self.code_of(spec)}, [str(day)]
        policies = {f"{s.__name__}={self.sections[s].digest}" for s in spec.sections.values()}
        for item in spec.inputs:
            source = self.registry[item.name]
            for read in [day] if day is None else self._existing(source, self.days_read(item, day)):
                behind = self._fingerprint(source, read)
                if isinstance(behind, str):
                    data.append(f"{item.name}@{read}={behind}")
                else:
                    code.add(behind.code)
                    policies.add(behind.policy)
                    data.append(f"{item.name}@{read}={behind.data}")
        return Fingerprint(digest(*sorted(code)), digest(*sorted(policies)), digest(*data))

    def code_of(self, spec: TableSpec) -> str:
        """Hash of the table's code and contract."""
        return _code_of(spec)

    def code_version_of(self, spec: TableSpec) -> str:
        """The version that Dagster compares: code, contract and the policy sections that the table declares."""
        return code_version_under(spec, self.policy)

    def policy_hash_of(self, spec: TableSpec) -> str:
        """Hash of the policy sections that the table and all tables upstream declare: its `policy_hash` column."""
        used = {s for up in self.registry.upstream([spec.name]) for s in up.sections.values()}
        return digest(*sorted(f"{s.__name__}={self.sections[s].digest}" for s in used))

    def _extract_fingerprint(self, spec: TableSpec, day: date | None) -> str:
        """Hash of the drops known on `day`. For days before the first drop, the first drop counts."""
        drops: Mapping[str, str] = self.facts_of(spec, day).get("drops", {})
        known_drops = {
            d: digest for d, digest in drops.items() if day is None or d in ("", min(drops)) or d <= str(day)
        }
        return digest(*(f"{d}={digest}" for d, digest in sorted(known_drops.items()))) if known_drops else ABSENT

    def published(self, spec: TableSpec, day: date | None) -> str | None:
        """The fingerprint of the published file; None if there is no file. A ledger's is a hash of its content."""
        if spec.is_ledger:
            content = self.expected(spec, None)
            return None if content == ABSENT else content
        return self.facts_of(spec, day).get("fingerprints", {}).get(str(day))

    def facts_of(self, spec: TableSpec, day: date | None) -> Mapping[str, Any]:
        """The footer of the published file; empty if the file is missing or cannot be read."""
        if self._is_by_landed_day(spec) and day is not None:
            return self.footers_of(spec).get(day, _NOTHING).facts
        if spec.partition is not None and day is not None and day not in self._alone(spec):
            return self._packed_facts(spec).get(day, _NOTHING.facts)
        path = self.store.file(spec.name, spec.partition, day if spec.partition else None)
        if path not in self._footers:
            self._footers[path] = footer(path)
        return self._footers[path]

    def _alone(self, spec: TableSpec) -> frozenset[date]:
        """The days of a table that have a file of their own."""
        if spec.name not in self._days_alone:
            self._days_alone[spec.name] = frozenset(self.store.days_alone(spec.name, str(spec.partition)))
        return self._days_alone[spec.name]

    def _packed_facts(self, spec: TableSpec) -> Mapping[date, Mapping[str, Any]]:
        """The facts of the days that stand in packs, as a file of one day would have them."""
        if spec.name not in self._in_packs:
            standing = by_day(packs_of(self.store.home, spec.name))
            self._in_packs[spec.name] = {
                day: facts_of_days({day: pack.fingerprints[day]}) for day, pack in standing.items()
            }
        return self._in_packs[spec.name]

    def forget_published(self, spec: TableSpec) -> None:
        """Call this after publishing days of a table."""
        self._days_alone.pop(spec.name, None)
        self._in_packs.pop(spec.name, None)
        self._by_day.pop(spec.name, None)
        self._landed.pop(spec.name, None)

    def posted(self, spec: TableSpec) -> date | None:
        """The newest day that a ledger was posted for; None: never."""
        text = self.facts_of(spec, None).get("posted")
        return date.fromisoformat(text) if text else None

    def damaged(self, spec: TableSpec, day: date | None = None) -> bool:
        """Whether a published file cannot be read. For a table by extract day without `day`: any file."""
        if self._is_by_landed_day(spec) and day is None:
            return any(not each.facts for each in self.footers_of(spec).values())
        if day is not None and spec.partition and day not in self._alone(spec):
            return any(not pack.fingerprints for pack in packs_of(self.store.home, spec.name))
        return is_damaged(self.store.file(spec.name, spec.partition, day if spec.partition else None))

    @staticmethod
    def _is_by_landed_day(spec: TableSpec) -> bool:
        return spec.partition not in {None, AS_OF}

    def is_fresh(self, spec: TableSpec, day: date | None) -> bool:
        """Whether the published file is what a run would build now."""
        return self.published(spec, day) == self.expected(spec, day)

    def causes(self, spec: TableSpec, day: date | None) -> tuple[str, ...]:
        """Why the published file is stale: which of code, policy and data changed.

        Empty if it is fresh, MISSING if there is no file, DAMAGED if the file cannot be read.
        """
        stands = self.published(spec, day)
        if stands is None:
            return (DAMAGED if self.damaged(spec, day) else MISSING,)
        before, now = stands.split("."), self.expected(spec, day).split(".")
        if len(now) == 1:  # a ledger, whose rows do not follow from its code
            return () if before == now else ("data",)
        if len(before) != len(now):  # written before fingerprints had parts
            return ("code",)
        return tuple(name for name, b, n in zip(Fingerprint._fields, before, now, strict=True) if b != n)


def code_version_under(spec: TableSpec, policy: Policy) -> str:
    """The same hash as `Planner.code_version_of`, without a planner: code, contract and declared policy sections."""
    return digest(_code_of(spec), *(policy.sections[s].digest for s in spec.sections.values()))


def _code_of(spec: TableSpec) -> str:
    return digest(code_version(spec.function or spec.contract), code_version(spec.contract))


def facts_of_days(fingerprints: Mapping[date | None, str] | Mapping[date, str]) -> dict[str, dict[str, str]]:
    """The footer of a file with these days."""
    return {"fingerprints": {str(day): print_ for day, print_ in fingerprints.items()}}


@lru_cache(100_000)  # all days of a table share code and policy
def digest(*parts: str) -> str:
    """Short hash of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
