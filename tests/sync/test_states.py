"""Under any faults, crashes and changes by others, the CRM ends as wanted, and the log says only what it holds.

A state machine: accounts change, people and other programs write, records go, requests fail, and the process dies at
any write to the journal. At the end all faults cease, and two runs later nothing is left to do.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from segmentation_assets.sync import applying
from segmentation_assets.sync.applying import Result, Run
from segmentation_assets.sync.calling import NoAnswer
from segmentation_assets.sync.log import Journal
from segmentation_assets.sync.records import SyncRefused
from tests.sync.homes import account, connected, define_properties, policy_for, write_home
from tests.sync.hubspot_fake import HubSpotFake, served

ACCOUNTS = ("a1", "a2", "a3", "a4")
SEGMENTS = ("Strategic", "Growth", "At-Risk")
PROPERTY = {"segment": "segment_tier", "composite_score": "composite_segment_score", "csm": "segmentation_csm"}
COLUMN = {"segment": "segment", "composite_score": "composite_score", "csm": "csm_id"}
PEOPLE = ("CRM_UI", "IMPORT")
FAULTS = ("429:1", "500", "503", "cut_before", "cut_after", "cut_after", "garbage", None)

names = st.sampled_from(ACCOUNTS)
values = st.fixed_dictionaries(
    {},
    optional={
        "segment": st.sampled_from(SEGMENTS),
        "composite_score": st.one_of(st.none(), st.integers(0, 3).map(float)),
        "csm_id": st.one_of(st.none(), st.sampled_from(["ann", "bob"])),
    },
)


class Crash(BaseException):
    """The process is killed: nothing after this line runs."""


class Sync(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.server = served(HubSpotFake())
        self.fake: HubSpotFake = self.server.__enter__()
        self.rows = {name: account(name) for name in ACCOUNTS}
        self.crashes_at: int | None = None
        self.is_dead = False
        self.runs = 0
        self.write, self.publish = Journal._write, applying.publish

    @initialize()
    def begin(self) -> None:
        define_properties(self.fake)
        for name in ACCOUNTS:
            self.fake.add(name.removeprefix("a"))
        self.publish_tables()

    def publish_tables(self) -> None:
        write_home(self.folder, list(self.rows.values()))

    def run(self) -> Run:
        policy = policy_for(self.fake)
        fields = {name: policy.crm.fields[name] for name in PROPERTY}
        policy = policy_for(self.fake, fields=fields, attempts=3)
        return Run(self.folder, policy, "hubspot", lambda: connected(self.fake, policy))

    # What others do.

    @rule(name=names, changed=values)
    def change_account(self, name: str, changed: dict[str, Any]) -> None:
        self.rows[name] |= changed
        self.publish_tables()

    @rule(name=names, field=st.sampled_from(["segment", "csm"]), source=st.sampled_from([*PEOPLE, "INTEGRATION"]),
          empties=st.booleans())  # fmt: skip
    def somebody_writes(self, name: str, field: str, source: str, empties: bool) -> None:
        value = "" if empties else "Efficient" if field == "segment" else "eve"
        self.fake.set(name.removeprefix("a"), PROPERTY[field], value, source)

    @rule(is_archived=st.booleans())
    def somebody_deletes_or_restores(self, is_archived: bool) -> None:
        self.fake.companies["4"].is_archived = is_archived

    @precondition(lambda self: not self.fake.companies["3"].merged_into)
    @rule()
    def somebody_merges(self) -> None:
        self.fake.merge("3", into="2")

    # What we do.

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), max_size=8),
        crashes_at=st.one_of(st.none(), st.integers(0, 5)),
        is_torn=st.booleans(),
        limit=st.one_of(st.none(), st.integers(1, 3)),
    )
    def sync(self, faults: list[str | None], crashes_at: int | None, is_torn: bool, limit: int | None) -> None:
        self.fake.faults, self.is_dead = list(faults), False
        self.apply(crashes_at, is_torn, limit)
        self.fake.faults = []

    def apply(self, crashes_at: int | None, is_torn: bool, limit: int | None) -> Result | None:
        machine, count = self, 0

        def write(journal: Journal, lines: Any) -> None:
            nonlocal count
            if crashes_at is not None and count == crashes_at:
                machine.is_dead = True
                if is_torn and lines:
                    journal._opened.write('{"account_id": "a1", "fie')
                    journal._opened.flush()
                raise Crash
            count += 1
            machine.write(journal, lines)

        def publish(*arguments: Any) -> int:
            if machine.is_dead:
                raise Crash
            return machine.publish(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Journal, "_write", write)
            patch.setattr(applying, "publish", publish)
            try:
                self.runs += 1
                result = self.run().apply(limit, is_confirmed=True, run_id=f"run-{self.runs}")
            except (Crash, NoAnswer, SyncRefused):
                return None
        self.check_log()
        return result

    def check_log(self) -> None:
        """What this run acknowledged, the CRM holds: nobody else wrote while it worked."""
        for name, record, field, value in self.query(
            "SELECT account_id, record_id, field, value FROM log WHERE outcome IN ('acknowledged', 'confirmed') "
            f"AND run_id = 'run-{self.runs}'"
        ):
            assert self.fake.companies[record].values.get(PROPERTY[field]) == value, (name, field)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        folder = self.folder / "published" / "crm_sync_log"
        if not any(folder.glob("*.parquet")):
            return []
        return duckdb.sql(f"WITH log AS (FROM read_parquet('{folder}/*.parquet')) {sql}").fetchall()

    def teardown(self) -> None:
        try:
            self.is_dead = False
            if self.fake.companies:
                self.finish()
        finally:
            self.server.__exit__(None, None, None)
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        for _ in range(2):
            self.apply(None, False, None)
        self.fake.requests.clear()
        self.apply(None, False, None)
        assert self.fake.writes() == []
        for name, row in self.rows.items():
            company = self.fake.companies[name.removeprefix("a")]
            if company.is_archived or company.merged_into:
                continue
            for field, prop in PROPERTY.items():
                held, wanted = company.values.get(prop), row[COLUMN[field]]
                newest = next(iter(company.history.get(prop, ())), None)
                if newest and newest["sourceType"] in PEOPLE and held:
                    continue  # a person's value stays
                if wanted is None:
                    continue  # no value overwrites none
                if self.was_drift(name, field):
                    continue
                assert held == (f"{wanted:.0f}" if field == "composite_score" else wanted), (name, field)
        numbers = [number for (number,) in self.query("SELECT number FROM log ORDER BY 1")]
        assert numbers == list(range(1, len(numbers) + 1))

    def was_drift(self, name: str, field: str) -> bool:
        """Another program, or a person who emptied the field, wrote after we had: only reading back sees that."""
        newest = self.fake.companies[name.removeprefix("a")].history[PROPERTY[field]][0]
        return newest["value"] in {"", "Efficient", "eve"}


TestSync = Sync.TestCase
TestSync.settings = settings(max_examples=20, stateful_step_count=10, deadline=None)
