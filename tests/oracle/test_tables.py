"""Every table against plain pandas from the raw extracts, in every column."""

from __future__ import annotations

import pytest

from segmentation_assets.chain import CATALOGUE
from tests.oracle.agreement import assert_agrees
from tests.oracle.capacity import misfits
from tests.oracle.raw import Company
from tests.oracle.standings import last_monday
from tests.oracle.tables import NEED_NONE, ORACLES, ROOMS


@pytest.mark.parametrize("table", ORACLES)
def test_agrees(table: str, company: Company) -> None:
    oracle = ORACLES[table]
    day = last_monday(company.as_of) if oracle.is_of_monday else company.as_of
    expected = oracle.recompute(company)
    assert_agrees(table, expected, company, oracle.key, oracle.left_out, day, may_be_empty=oracle.may_be_empty)


def test_assigned_csms_fit(company: Company) -> None:
    assert not misfits(company), "accounts whose CSM lacks the level or the region, or leaves"


def test_every_table_has_an_oracle() -> None:
    tables = {spec.name for spec in CATALOGUE if spec.group in ROOMS}
    assert not tables - ORACLES.keys() - NEED_NONE.keys(), "write an oracle, or say in NEED_NONE why there is none"
    assert not ORACLES.keys() & NEED_NONE.keys()
    every = {spec.name for spec in CATALOGUE}
    assert not (ORACLES.keys() | NEED_NONE.keys()) - every, "there is no such table"
