"""Column lineage as Dagster keeps it: on the materialization of every computed table, and the product's own."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.lineage.columns import SPINE, Lineage
from segmentation_assets.lineage.tracing import lineage
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.instance import open_instance
from segmentation_assets.settings import Settings

COLUMN_LINEAGE = "dagster/column_lineage"


@pytest.fixture(scope="module")
def whole() -> Lineage:
    return lineage(CATALOGUE, load_policy())


def test_a_run_tells_dagster_the_lineage_of_every_column(ran_home: Path, whole: Lineage):
    computed = [spec for spec in CATALOGUE if not spec.is_extract]
    with open_instance(Settings(ran_home, None, None)) as instance:
        for spec in computed:
            event = instance.get_latest_materialization_event(dg.AssetKey(spec.name))
            assert event is not None, spec.name
            assert event.asset_materialization is not None
            words = event.asset_materialization.metadata[COLUMN_LINEAGE].value
            assert isinstance(words, dg.TableColumnLineage)
            result = {
                name: {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}
                for name, deps in words.deps_by_column.items()
            }
            assert result == _values(whole, spec.name)
            assert "lineage" in event.asset_materialization.metadata
    assert len(computed) > 60


def _values(whole: Lineage, table: str) -> dict[str, set[tuple[str, str]]]:
    """What each column's value is made from, or by a function of frames: Dagster's kind knows nothing else."""
    return {
        name: {(s.place.table, s.place.column) for s in sources if s.kind != "influence" and s.place.table != SPINE}
        for name, sources in whole.tables[table].columns.items()
    }


def test_dagster_names_no_column_that_is_not_there(whole: Lineage):
    for spec in CATALOGUE:
        for sources in _values(whole, spec.name).values():
            assert all(column in whole.tables[table].columns for table, column in sources)
