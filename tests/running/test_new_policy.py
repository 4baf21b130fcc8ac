"""The first run under a new policy says what it moved, and nobody takes it for what accounts did."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from segmentation_assets import load
from segmentation_assets.cli.printing.summary import print_summary
from segmentation_assets.reading.figures import counted
from tests.cli.calling import call
from tests.conftest import RAN_DAYS

DAY = RAN_DAYS[-1]


@pytest.mark.slow(reason="runs the segments of a company again under another policy")
def test_what_a_new_policy_moves_is_of_the_policy(ran_home: Path, tmp_path: Path):
    """Accounts below 100,000 ARR can be Long-Tail now, and need 1,000,000 for Growth: only tiers change."""
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    before = load("segments", DAY, home).set_index("account_id")["coverage_tier"]
    policy = tmp_path / "policy.yaml"
    policy.write_text("tier: {long_tail_below_arr: 100000, growth_min_arr: 1000000}\n", encoding="utf-8")
    result = call(
        "run", "--sources", home / "sample" / "sources.yaml", "--as-of", DAY, "--policy", policy,
        "--select", "+segment_alerts", home=home,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    after = load("segments", DAY, home).set_index("account_id")["coverage_tier"]
    changed = {account for account in after.index if after[account] != before[account]}
    assert changed, "the policy moves somebody, or this proves nothing"
    moves = load("segment_moves", DAY, home)
    by_policy = moves[(moves["cause_kind"] == "policy") & (moves["kind"] == "tier")]
    assert set(by_policy["account_id"]) == changed
    for row in by_policy.to_dict("records"):
        account = row["account_id"]
        assert (row["moved_from"], row["moved_to"]) == (before[account], after[account])
    console = Console(width=250, record=True, file=io.StringIO())
    print_summary(console, home, DAY, "USD")
    words = rf"the policy changed\. This alone changed .*the tier of {counted(len(changed), 'account')}"
    assert re.search(words, console.export_text())
    alerts = load("segment_alerts", home=home)
    texts = alerts[(alerts["cause"] == "policy") & alerts["kind"].isin(["tier_up", "tier_down"])]
    assert set(texts["account_id"]) == changed
