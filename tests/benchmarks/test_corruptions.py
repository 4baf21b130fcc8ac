"""What `check-sources` sees of the mistakes that people make when they export, and that it accuses nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.corruptions import CORRUPTIONS, company, planted, said, suspicions

MAY_BE_MISSED = 2


@pytest.mark.slow("checks a company once per corruption")
def test_nearly_all_corruptions_are_seen(tmp_path: Path):
    clean = company(tmp_path, seed=1, accounts=60)
    assert len(CORRUPTIONS) >= 40
    missed = [corruption.name for corruption, seen, _ in planted(clean) if not seen]
    assert len(missed) <= MAY_BE_MISSED, missed


def test_a_clean_company_is_not_accused(tmp_path: Path):
    assert suspicions(said(company(tmp_path, seed=4, accounts=40))) == []
