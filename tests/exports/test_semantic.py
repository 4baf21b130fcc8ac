"""The definitions for semantic layers say what the tables hold.

Their form was checked with dbt-semantic-interfaces 0.10.5: its JSON schema, its transformations and all its rules
give no error and no warning. It is not installed here, because it needs an older click.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from segmentation_assets.exports.semantic import MODELS, RATIOS, semantic_yaml
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import find_table, load
from segmentation_assets.reading.catalogue import read_catalogue
from tests.cli.calling import call
from tests.conftest import YEAR_DAY


@pytest.fixture(scope="module")
def definitions(year_home: Path) -> dict[str, Any]:
    return yaml.safe_load(semantic_yaml(read_catalogue(load_policy(), year_home).entries))


def test_each_metric_stands_on_measures_and_names_are_unique(definitions: dict[str, Any]):
    measures = [each["name"] for model in definitions["semantic_models"] for each in model["measures"]]
    metrics = [each["name"] for each in definitions["metrics"]]
    assert len(set(measures)) == len(measures)
    assert len(set(metrics)) == len(metrics)
    for metric in definitions["metrics"]:
        parts = metric["type_params"]
        if metric["type"] == "simple":
            assert parts["measure"] in measures
        else:
            assert {parts["numerator"]["name"], parts["denominator"]["name"]} <= set(metrics)


@pytest.mark.parametrize("table", MODELS)
def test_a_ratio_of_sums_is_the_kpi_of_each_group_and_of_the_company(
    definitions: dict[str, Any], year_home: Path, table: str
):
    """What a semantic layer would compute from the measures, against the published figures."""
    model = next(each for each in definitions["semantic_models"] if each["name"] == table)
    expressions = {each["name"]: each["expr"] for each in model["measures"]}
    member = MODELS[table]
    [file] = find_table(table, year_home).of(YEAR_DAY)
    figures = {
        "": load("company_kpis", YEAR_DAY, year_home, where="window_months = 12").iloc[0],
        **{row[member]: row for _, row in load(table, YEAR_DAY, year_home, where="window_months = 12").iterrows()},
    }
    metrics = {each["name"]: each["type_params"] for each in definitions["metrics"]}
    count = 0
    with duckdb.connect() as connection:
        for name in RATIOS:
            parts = metrics[f"{name}_by_{member}"]
            above, below = (expressions[parts[part]["name"]] for part in ("numerator", "denominator"))
            for group, row in figures.items():
                [(value,)] = connection.execute(
                    f"SELECT sum({above}) / nullif(sum({below}), 0) FROM '{file}' WHERE ? IN ('', {member})", [group]
                ).fetchall()
                if value is not None:
                    assert row[name] == pytest.approx(value), (name, group)
                    count += 1
    assert count > 2 * len(RATIOS)


def test_the_command_writes_the_file(year_home: Path, tmp_path: Path):
    file = tmp_path / "kpis.yaml"
    assert call("export", "semantic", "--to", file, home=year_home).exit_code == 0
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["metrics"]
    assert call("export", "semantic", "--to", tmp_path / "kpis.xlsx", home=year_home).exit_code == 2
