"""The whole chain on a small company: a range is its days, the least that is required is enough."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import find_table, load
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.outcomes import Outcome
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.conftest import RAN_DAYS
from tests.harness.shared import once

COMPUTED = [spec for spec in CATALOGUE if not spec.is_extract]


@pytest.fixture(scope="module", params=RAN_DAYS[1:], ids=str)
def lone_day(request: pytest.FixtureRequest, ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home that has the same extracts and was only ever asked for one day."""

    def make(home: Path) -> None:
        for spec in CATALOGUE:
            if spec.is_extract and (ran_home / "published" / spec.name).exists():
                shutil.copytree(ran_home / "published" / spec.name, home / "published" / spec.name)
        store = Store(home)
        with open_connection(store) as connection:
            builder = Builder(Engine(connection, store), CATALOGUE, load_policy())
            builder.run_days = frozenset([request.param])
            builder.ensure([spec.name for spec in COMPUTED], [request.param])

    return once(f"lone_{request.param}", make, tmp_path_factory), request.param


def rows(table: str, day: date, home: Path) -> pd.DataFrame:
    dated = find_table(table, home).partition is not None
    frame = load(table, day if dated else None, home)
    return frame.sort_values(list(frame.columns), ignore_index=True)


def test_a_day_of_a_range_is_the_day_alone_row_for_row(lone_day: tuple[Path, date], ran_home: Path):
    home, day = lone_day
    compared = 0
    for spec in COMPUTED:
        if spec.partition != "as_of":
            continue
        pd.testing.assert_frame_equal(
            rows(spec.name, day, home), rows(spec.name, day, ran_home), rtol=1e-12, atol=1e-12, obj=spec.name
        )
        compared += 1
    assert compared > 50


def test_every_table_was_made_for_every_day(ran_home: Path):
    for spec in COMPUTED:
        values = find_table(spec.name, ran_home)
        if spec.partition == "as_of":
            assert set(RAN_DAYS) <= set(values.days), spec.name


def test_the_record_holds_what_is_published(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(ran_home / "dagster", home / "dagster")
    with open_instance(find_settings(home)) as instance:
        for spec in COMPUTED:
            if spec.partition != "as_of":
                continue
            recorded = instance.get_materialized_partitions(dg.AssetKey(spec.name))
            published = {str(d) for d in find_table(spec.name, ran_home).days if d >= date(2020, 1, 1)}
            assert recorded == published, spec.name


@pytest.mark.home
def test_an_id_and_a_subscription_are_enough(tmp_path: Path):
    (tmp_path / "crm_accounts.csv").write_text("account_id\na1\na2\na3\n")
    (tmp_path / "billing_subscriptions.csv").write_text(
        "subscription_id,start_date,account_id,product,plan,region,seats,mrr,currency,end_date\n"
        "s1,2024-01-10,a1,core,pro,emea,20,1000,USD,\n"
        "s2,2025-02-01,a2,core,pro,emea,5,200,USD,\n"
        "s3,2023-02-01,a3,core,pro,emea,5,200,USD,2025-12-31\n"
    )
    (tmp_path / "sources.yaml").write_text(
        "version: 1\nextracts:\n"
        "  crm_accounts: {path: crm_accounts.csv}\n"
        "  billing_subscriptions: {path: billing_subscriptions.csv}\n"
    )
    # tests/report/test_every_subset runs all tables of a company that has no more
    command = ["--home", str(tmp_path), "run", "--as-of", "2026-03-31", "--select", "+segments"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    segments = load("segments", home=tmp_path)
    assert segments["account_id"].tolist() == ["a1", "a2"]  # a3 has churned
    assert segments["arr"].tolist() == [12000.0, 2400.0]
    assert segments["behavioral_cohort"].isna().all()
    assert segments["segment"].notna().all()


def started_by_the_ui(home: Path, sources: Path | None, table: str) -> Outcome:
    """A run of one table that selects no extract, as one started in the UI may."""
    return Runner(replace(find_settings(home), sources=sources)).run([table], [date(2025, 12, 31)])


def test_a_step_lands_what_it_is_made_from_where_nothing_has_landed_yet(tmp_path: Path):
    """Acme 1,200 + 300, Birch 450.50, Cobalt 3,900, Delta 80 a month: 5,930.50, 71,166 a year."""
    sources = Path(__file__).parents[2] / "data/examples/minimal/sources.yaml"
    outcome = started_by_the_ui(tmp_path, sources, "account_revenue")
    assert outcome.succeeded, outcome.failed
    assert load("account_revenue", home=tmp_path)["arr"].sum() == 71_166.0
    with open_instance(find_settings(tmp_path)) as instance:
        landed = instance.get_latest_materialization_event(dg.AssetKey("billing_subscriptions"))
    assert landed is not None
    assert landed.asset_materialization is not None
    assert landed.asset_materialization.metadata["dagster/row_count"].value == 5


def test_a_step_that_cannot_land_what_it_is_made_from_says_why_and_makes_nothing(tmp_path: Path):
    (failed,) = started_by_the_ui(tmp_path / "bare", None, "account_revenue").failed
    assert "nothing has landed yet of crm_accounts" in str(failed.reason)
    assert "no sources: name a mapping" in str(failed.reason)
    (tmp_path / "accounts.csv").write_text("account_id\nA1\n")
    (tmp_path / "sources.yaml").write_text(
        "version: 1\nextracts: {crm_accounts: {path: accounts.csv}, billing_subscriptions: {path: lost.csv}}"
    )
    (failed,) = started_by_the_ui(tmp_path / "home", tmp_path / "sources.yaml", "account_revenue").failed
    assert "billing_subscriptions: lost.csv: no such file" in str(failed.reason)
    assert not (tmp_path / "home" / "published" / "account_revenue").exists()
