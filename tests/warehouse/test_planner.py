from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.registry import Registry, TableSpec, _spec_of
from segmentation_assets.warehouse.results import Built
from tests.warehouse import toys
from tests.warehouse.toys import builder, land, policy, read

WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2025, 12, 31) + timedelta(days=i) for i in range(6))


def frame(results: list[Built]) -> dict[str, list[date]]:
    """Days made, by table; tables with nothing to do are left away."""
    return {r.table: sorted(d for d in r.rows if d is not None) for r in results if r.rows}


def ensure(home: Path, *as_ofs: date, under: Policy | None = None, names: tuple[str, ...] = ("labels",)):
    with builder(home, under) as build:
        return frame(build.ensure(names, as_ofs))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    land(tmp_path, [1, 2])
    return tmp_path


def test_a_plan_holds_the_days_of_the_look_back(home: Path):
    with builder(home) as build:
        assert build.plan(["labels"], [MONDAY]) == {
            "numbers": [SATURDAY, SUNDAY, MONDAY],
            "scaled": [SATURDAY, SUNDAY, MONDAY],
            "totals": [MONDAY],
            "labels": [MONDAY],
        }
    with builder(home, policy(recent=1)) as build:  # the policy decides how far back
        assert build.plan(["totals"], [MONDAY])["scaled"] == [MONDAY]


def test_a_run_makes_what_lacks_and_figures_are_right(home: Path):
    assert ensure(home, MONDAY) == {"scaled": [SATURDAY, SUNDAY, MONDAY], "totals": [MONDAY], "labels": [MONDAY]}
    assert read(home, "totals")[["total", "days"]].values.tolist() == [[60, 2]]  # (1 + 2) x 10 on two of three days
    assert read(home, "labels")["label"].tolist() == ["60"]


def test_the_second_time_there_is_nothing_to_do(home: Path):
    ensure(home, MONDAY, FRIDAY)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.parquet")}
    with builder(home) as build:
        results = build.ensure(["labels"], [MONDAY, FRIDAY])
    assert frame(results) == {}
    kept = {r.table: r.fresh for r in results}
    assert kept["labels"] == (FRIDAY, MONDAY)
    assert kept["scaled"] == (WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY, MONDAY)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.parquet")} == before


def test_only_days_that_lack_are_made(home: Path):
    ensure(home, FRIDAY)
    assert ensure(home, SATURDAY) == {"scaled": [SATURDAY], "totals": [SATURDAY], "labels": [SATURDAY]}


def test_a_changed_policy_section_makes_stale_what_declares_it_and_what_reads_that(home: Path):
    ensure(home, MONDAY)
    assert ensure(home, MONDAY, under=policy(window=20)) == {
        "scaled": [SATURDAY, SUNDAY, MONDAY],
        "totals": [MONDAY],
        "labels": [MONDAY],
    }
    assert read(home, "totals")["total"].tolist() == [120]


def test_a_section_that_nobody_declares_makes_nothing_stale(home: Path):
    ensure(home, MONDAY)
    other = policy().model_copy(update={"costs": toys.DEFAULT.costs.model_copy(update={"hosting_share": 0.9})})
    assert ensure(home, MONDAY, under=other) == {}


def test_a_longer_look_back_makes_the_days_it_adds(home: Path):
    ensure(home, MONDAY)
    assert ensure(home, MONDAY, under=policy(recent=4)) == {
        "scaled": [FRIDAY],
        "totals": [MONDAY],
        "labels": [MONDAY],
    }


def test_a_changed_extract_makes_all_days_stale(home: Path):
    ensure(home, FRIDAY, MONDAY)
    land(home, [1, 2, 3])
    assert set(ensure(home, FRIDAY, MONDAY)) == {"scaled", "totals", "labels"}
    assert read(home, "totals")["total"].tolist() == [180, 120]


def test_a_new_drop_makes_stale_only_the_days_from_it_on(home: Path):
    land(home, [1, 2], {"2026-01-02": "first"})
    ensure(home, THURSDAY, SATURDAY)
    land(home, [1, 2], {"2026-01-02": "first", "2026-01-03": "second"})
    assert ensure(home, THURSDAY, SATURDAY) == {"scaled": [SATURDAY], "totals": [SATURDAY], "labels": [SATURDAY]}


def test_a_changed_first_drop_makes_stale_the_days_before_it_too(home: Path):
    land(home, [1, 2], {"2026-01-03": "first"})
    ensure(home, THURSDAY)
    land(home, [1, 2], {"2026-01-03": "corrected"})
    assert THURSDAY in ensure(home, THURSDAY)["scaled"]


def test_changed_code_makes_stale_what_runs_it(home: Path):
    ensure(home, MONDAY)
    registry = Registry()
    for spec in toys.chain():
        registry.add(spec if spec.name != "labels" else _relabelled(spec))
    with builder(home, registry=registry) as build:
        assert frame(build.ensure(["labels"], [MONDAY])) == {"labels": [MONDAY]}
    assert read(home, "labels")["label"].tolist() == ["total 60"]


def _relabelled(spec: TableSpec) -> TableSpec:
    def labels(totals: toys.Frame[toys.Totals]) -> toys.Frame[toys.Labels]:
        """Totals as other words."""
        return pd.DataFrame({"as_of": totals["as_of"], "label": "total " + totals["total"].astype(str)})

    return _spec_of(labels, spec.group, {}, "as_of")


def test_a_kept_table_downstream_of_an_equal_remake_is_made_again_only_if_inputs_differ(home: Path):
    """Going back to the first policy finds other fingerprints published, so all is made again, and is the same."""
    ensure(home, MONDAY)
    first = read(home, "totals")
    ensure(home, MONDAY, under=policy(window=20))
    assert set(ensure(home, MONDAY)) == {"scaled", "totals", "labels"}
    pd.testing.assert_frame_equal(read(home, "totals"), first)


def test_the_policy_hash_in_the_rows_is_of_all_sections_upstream(home: Path):
    ensure(home, MONDAY)
    with builder(home) as build:
        hashes = {n: build.policy_hash_of(build.registry[n]) for n in ("scaled", "totals", "labels")}
    for name, expected in hashes.items():
        assert set(read(home, name)["policy_hash"]) == {expected}
    with builder(home, policy(window=20)) as build:
        changed = {n: build.policy_hash_of(build.registry[n]) for n in hashes}
    assert all(changed[name] != hashes[name] for name in hashes)


@settings(max_examples=4, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=3))
def test_lone_days_equal_a_backfill_whatever_was_run_before(tmp_path_factory: pytest.TempPathFactory, runs):
    requests = [[MONDAY + timedelta(days=offset) for offset in run] for run in runs]
    one, other = tmp_path_factory.mktemp("piecemeal"), tmp_path_factory.mktemp("at once")
    for place in (one, other):
        land(place, [1, 5])
    for run in requests:
        ensure(one, *run, names=("totals",))
    ensure(other, *(day for run in requests for day in run), names=("totals",))
    pd.testing.assert_frame_equal(read(one, "totals"), read(other, "totals"))
    assert read(one, "totals")["as_of"].nunique() == len({day for run in requests for day in run})


def test_tables_that_read_each_other_are_refused():
    registry = Registry()
    registry.add(_spec_of(toys.labels, "toys", {}, "as_of"))
    with pytest.raises(ValueError, match="labels reads totals, which is not a table"):
        list(registry)
    with pytest.raises(ValueError, match="two tables are called labels"):
        registry.add(registry["labels"])
