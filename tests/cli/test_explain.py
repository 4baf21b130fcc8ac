"""`segmentation explain`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.calling import call


def test_explain_tells_segment_tier_and_scores(ran_home: Path):
    record = json.loads(call("show", "segments", "--limit", 1, "--format", "json", home=ran_home).stdout)[0]
    result = call("explain", record["account_id"], home=ran_home)
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert f"{record['account_name']} ({record['account_id']}): {record['segment']}" in words
    assert f"by rule {record['rule_id']}" in words
    assert f"by rule {record['tier_rule_id']}" in words
    assert "composite_score" in words
    by_name = call("explain", record["account_name"].upper(), "--format", "json", home=ran_home)
    assert json.loads(by_name.stdout)["account_id"] == record["account_id"]


def test_an_unknown_account_gets_what_comes_close(ran_home: Path):
    record = json.loads(call("show", "segments", "--limit", 1, "--format", "json", home=ran_home).stdout)[0]
    result = call("explain", record["account_name"][:-2], home=ran_home)
    assert result.exit_code == 1
    assert f"{record['account_id']} ({record['account_name']})" in result.stderr
    far = call("explain", "zzzzzzzz", home=ran_home)
    assert far.exit_code == 1
    assert "similar" not in far.stderr
