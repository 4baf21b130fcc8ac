"""The report of whatever is there: tables missing, empty, or with nothing known in them, in any mixture."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.catalogue import CatalogueFacts
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.report import contents as pages
from segmentation_assets.report.contents import contents
from segmentation_assets.report.document import render
from segmentation_assets.report.evidence import READ, Evidence, open_evidence
from segmentation_assets.tables.contracts import schema_of

WHOLE, MISSING, EMPTY, UNKNOWN = "whole", "missing", "empty", "unknown"
ODDS = {WHOLE: 5, MISSING: 1, EMPTY: 2, UNKNOWN: 2}


def altered(evidence: Evidence, states: dict[str, str]) -> Evidence:
    """The evidence with tables that are missing, have no rows, or have nothing in what may be null."""
    run = evidence.connection.execute
    for table, state in states.items():
        if state in (WHOLE, MISSING) or table in evidence.missing:
            continue
        run(f'ALTER VIEW "{table}" RENAME TO "whole_{table}"')
        what, where = "*", "false" if state == EMPTY else "true"
        if state == UNKNOWN:
            columns = schema_of(CATALOGUE[table].contract).columns
            types = {name: kind for name, kind, *_ in run(f'DESCRIBE "whole_{table}"').fetchall()}
            nulls = [
                f'CAST(NULL AS {types[name]}) AS "{name}"'
                for name, column in columns.items()
                if column.nullable and name in types
            ]
            what = f"* REPLACE ({', '.join(nulls)})" if nulls else "*"
        run(f'CREATE VIEW "{table}" AS SELECT {what} FROM "whole_{table}" WHERE {where}')
    gone = {table: f"{table} has not been made yet" for table, state in states.items() if state == MISSING}
    return Evidence(
        evidence.as_of, evidence.connection, evidence.policy, {**evidence.missing, **gone}, evidence.previous
    )


def document(evidence: Evidence) -> str:
    with in_currency("USD"):
        frame = contents(evidence, CatalogueFacts({}, {}), run="test", made_at=datetime(2026, 4, 1, tzinfo=UTC))
        return render(frame.model | {"made_from": ""}, frame.packs, evidence)


@pytest.mark.parametrize("seed", range(16))
def test_a_report_is_made_of_what_is_there(ran_home: Path, seed: int):
    chance = random.Random(seed)
    states = {table: chance.choices(list(ODDS), list(ODDS.values()))[0] for table in READ}
    if states["segments"] in (MISSING, EMPTY):
        states["segments"] = UNKNOWN  # without accounts of the day there is no report
    with open_evidence(ran_home, None, load_policy()) as whole:
        evidence = altered(whole, states)
        text = document(evidence)
    assert evidence.faults == [], states
    for table, state in states.items():
        if state == MISSING and table in ("company_kpis", "capacity_plan", "tier_migration", "data_quality"):
            assert f"{table} has not been made yet" in text
    for nonsense in ("– since", "– a year", "None", "nan"):
        assert f">{nonsense}" not in text
        assert f" {nonsense} " not in text.partition("<footer>")[0]


def test_a_fault_costs_its_page_alone_and_is_named(ran_home: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(_: Evidence) -> None:
        raise ZeroDivisionError("no people")

    monkeypatch.setattr(pages, "capacity_page", broken)
    with open_evidence(ran_home, None, load_policy()) as evidence:
        text = document(evidence)
    assert evidence.faults == ["the page Capacity could not be made: ZeroDivisionError: no people"]
    assert text.count("could not be made: ZeroDivisionError: no people") == 1
    assert "<strong>This page could not be made.</strong>" in text
    assert "Where we stand" in text
    assert "ARR bridge" in text
