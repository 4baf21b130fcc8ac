"""Whatever extracts a company has, a run ends with a report: each optional one absent, alone and together.

Six deliveries: each optional extract is in three of them, no two in the same three. So of every pair, some delivery
has the one without the other. A seventh has the two required extracts alone; all are there in `ran_home`.
"""

from __future__ import annotations

from datetime import date
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.contracts import EXTRACTS, REQUIRED
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.report.publishing import publish_report
from segmentation_assets.sample.generate import generate
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

DAY = date(2026, 3, 31)
OPTIONAL = [spec.name for spec in EXTRACTS if spec.name not in REQUIRED]
DELIVERIES = 6
CODES = dict(zip(OPTIONAL, combinations(range(DELIVERIES), DELIVERIES // 2), strict=False))
MIXTURES = [[name for name in OPTIONAL if n in CODES[name]] for n in range(DELIVERIES)] + [[]]
NONSENSE = ("– since", "– a year", "None", "nan", "for –")


def test_the_mixtures_leave_out_each_of_every_pair():
    assert set(CODES) == set(OPTIONAL)
    for one, other in combinations(OPTIONAL, 2):
        assert any(one in mixture and other not in mixture for mixture in MIXTURES)
        assert any(one not in mixture and other in mixture for mixture in MIXTURES)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    generate(folder, accounts=25, days=100, users_per_account=4, seed=3, end=DAY)
    return folder


@pytest.mark.slow("a chain and a report for each of seven mixtures of extracts")
@pytest.mark.parametrize("extracts", MIXTURES, ids=lambda mixture: f"{len(mixture)}-{'-'.join(mixture)[:40]}")
def test_every_subset_ends_with_a_report(
    company: Path, extracts: list[str], tmp_path: Path, compiled_texts: Path, monkeypatch: pytest.MonkeyPatch
):
    mapping = yaml.safe_load((company / "sources.yaml").read_text())
    mapping["extracts"] = {name: each for name, each in mapping["extracts"].items() if name in (*REQUIRED, *extracts)}
    if "fx_rates" not in extracts:  # other currencies would be refused
        for name in {"billing_subscriptions", "billing_invoices", "gtm_spend"} & {*mapping["extracts"]}:
            mapping["extracts"][name]["where"] = "currency = 'USD'"
    mapped = company / f"{tmp_path.name}.yaml"
    mapped.write_text(yaml.safe_dump(mapping))
    policy, store = load_policy(), Store(tmp_path / "home")
    with open_connection(store) as connection:
        engine = Engine(connection, store)
        landed = land(read_sources(mapped), engine, policy.sections)
        assert [each for each in landed if each.failed] == []
        builder = Builder(engine, CATALOGUE, policy)
        builder.run_days = frozenset([DAY])
        builder.ensure([spec.name for spec in CATALOGUE if not spec.is_extract], [DAY])
    report = publish_report(store.home, policy, DAY)
    assert report.faults == ()
    text = report.file.read_text(encoding="utf-8").partition("<footer>")[0]
    assert [word for word in NONSENSE if f">{word}" in text or f" {word} " in text] == []
