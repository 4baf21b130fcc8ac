"""What Dagster loads: every asset's identity, both ways of loading, and nothing heavy on the way."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import dagster as dg
import pytest

from segmentation_assets.cli.main import main
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.report_asset import REPORT
from segmentation_assets.policy.model import PolicyError
from segmentation_assets.report.evidence import READ
from segmentation_assets.settings import Settings
from tests.orchestration import fakes
from tests.orchestration.snapshot import SNAPSHOT, snapshot

ROOT = Path(__file__).parents[2]
# What the location may bring over `import dagster`; each of these takes a second or more.
HEAVY = (
    "sklearn",
    "scipy",
    "lifelines",
    "altair",
    "vl_convert",
    "pyspark",
    "matplotlib",
    "jinja2.ext",
    "streamlit",
    "dlt",
    "plotly",
)


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(settings=Settings(Path("nowhere"), None, None))


def test_assets_are_as_pinned(defs: dg.Definitions):
    """After a change that is meant: `python -m tests.orchestration.snapshot`, and read the difference."""
    assert snapshot(defs) == json.loads(SNAPSHOT.read_text())


def test_building_definitions_touches_no_file(tmp_path: Path):
    build_defs(settings=Settings(tmp_path / "home", None, None), registry=fakes.registry())
    assert not (tmp_path / "home").exists()


def test_every_asset_tells_what_it_is(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys() - {dg.AssetKey(REPORT)}:
        node = graph.get(key)
        assert node.description
        assert "**A row** is one " in node.description, key
        assert f"segmentation show {key.path[-1]} " in node.description
        assert ("**When it fails**" in node.description) == (key.path[-1] != "quarantine")
        assert node.owners, key
        assert {"duckdb", "parquet"} <= set(node.kinds)
        assert node.code_version
        assert node.pools == {"warehouse"}
        columns = node.metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns), key
        [reference] = node.metadata["dagster/code_references"].code_references
        assert Path(reference.file_path).exists()
        assert reference.line_number > 0
        checks = {check.name: graph.get(check).blocking for check in node.check_keys}
        assert checks.pop("contract")
        assert not any(checks.values())  # warnings hold nothing back
        assert set(checks) <= {"warnings"}


def test_a_page_tells_what_the_table_reads_and_who_reads_it(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys() - {dg.AssetKey(REPORT)}:
        node = graph.get(key)
        reads, _, read_by = node.description.partition("**Read by**")
        named = [name.path[-1] for name in node.child_keys if graph.get(name).group_name != "extracts"]
        assert all(f"(/assets/{name})" in read_by for name in named), key
        if node.group_name != "extracts":
            assert all(f"(/assets/{name.path[-1]})" in reads for name in node.parent_keys), key
    states = graph.get(dg.AssetKey("segment_states")).description
    assert "`stability`" in states
    assert "`tier`" in states
    moves = graph.get(dg.AssetKey("segment_move_parts")).description
    assert "[score_contributions](/assets/score_contributions) (up to 20 days back)" in moves


def test_commands_on_a_page_are_commands(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    text = "\n".join(graph.get(key).description for key in graph.get_all_asset_keys() if graph.get(key).description)
    lines = [line.partition("  # ")[0].strip() for line in text.splitlines() if line.startswith("segmentation ")]
    assert len(lines) > 200
    for line in lines:
        _, name, *arguments = shlex.split(line.replace("DAY", "2026-01-01"))
        command = main.get_command(click.Context(main), name)
        assert command is not None, line
        command.make_context(name, arguments)  # raises for an option or argument that the command lacks


def test_the_report_comes_after_what_it_reads(defs: dg.Definitions):
    node = defs.resolve_asset_graph().get(dg.AssetKey(REPORT))
    assert {key.path[-1] for key in node.parent_keys} == set(READ)
    assert node.owners
    assert node.kinds == {"html"}
    assert node.pools == {"warehouse"}
    assert node.partitions_def is None


def test_what_has_no_days_hangs_on_the_last_day_of_what_it_reads(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    for name in (REPORT, "threshold_ledger"):
        node = graph.get(dg.AssetKey(name))
        dated = {key for key in node.parent_keys if graph.get(key).partitions_def}
        assert dated
        assert node.partition_mappings == dict.fromkeys(dated, dg.LastPartitionMapping())


def test_a_code_reference_points_at_the_function(defs: dg.Definitions):
    node = defs.resolve_asset_graph().get(dg.AssetKey("segments"))
    [reference] = node.metadata["dagster/code_references"].code_references
    lines = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1 :]
    assert any(line.startswith("def segments(") for line in lines[:5])


def test_look_backs_are_in_the_graph():
    graph = build_defs(
        settings=Settings(Path("nowhere"), None, None), registry=fakes.registry()
    ).resolve_asset_graph()
    mappings = graph.get(dg.AssetKey("seasons")).partition_mappings
    mapping = mappings[dg.AssetKey("seeds")]
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert mapping.start_offset < -180
    assert graph.get(dg.AssetKey("totals")).partition_mappings == {}


def test_a_policy_change_marks_only_what_declares_it(tmp_path: Path):
    def versions(policy: Path | None) -> dict[str, str | None]:
        graph = build_defs(settings=Settings(tmp_path, None, policy)).resolve_asset_graph()
        return {key.path[-1]: graph.get(key).code_version for key in graph.get_all_asset_keys()}

    other = tmp_path / "policy.yaml"
    other.write_text("expansion: {wait: 5}\n")
    with pytest.raises(PolicyError):
        versions(other)
    other.write_text("stability: {max_usage_lag_days: 9}\n")
    before, after = versions(None), versions(other)
    changed = {name for name in before if before[name] != after[name]}
    assert "segment_inputs" in changed
    assert not changed & {"account_revenue", "crm_accounts", "behavioral_scores"}


def test_resources_can_be_overridden():
    class Other(dg.ConfigurableResource):
        pass

    other = Other()
    table = build_defs(
        settings=Settings(Path("nowhere"), None, None),
        registry=fakes.registry(),
        resources={"warehouse": other},
        jobs=[],
    )
    assert table.resources == {"warehouse": other}
    assert not table.jobs


@pytest.mark.daemon
@pytest.mark.parametrize(
    "how",
    [("-w", "workspace.yaml"), ("-m", "segmentation_assets.definitions")],
    ids=["workspace", "module"],
)
def test_both_ways_of_loading_the_location(how: tuple[str, str], tmp_path: Path):
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", *how]
    environment = {"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment["PYTHONPYCACHEPREFIX"] = os.environ["PYTHONPYCACHEPREFIX"]  # of `harness.bytecode`
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


@pytest.mark.daemon
def test_the_location_loads_nothing_heavy():
    code = (
        "import sys; from segmentation_assets.orchestration.definitions import build_defs; build_defs(); "
        "print('\\n'.join(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dagster" in loaded
    assert not [name for name in HEAVY if name in loaded]
