"""`segmentation check-sources`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.calling import call, write_sources


def test_check_sources_says_what_is_wrong(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id,created_on\na1,31.12.2025\n")
    result = call("check-sources", "--sources", sources, home=tmp_path)
    assert result.exit_code == 1
    assert "crm_accounts.created_on" in result.stderr
    assert "31.12.2025" in result.stderr
    good = call("check-sources", "--sources", write_sources(tmp_path, "account_id\na1\n"), home=tmp_path)
    assert good.exit_code == 0
    assert "2 extracts, no problems" in good.stderr


def test_a_header_alone_is_a_warning_before_the_run_and_in_it(tmp_path: Path):
    (tmp_path / "accounts.csv").write_text("account_id\nA1\n")
    (tmp_path / "subscriptions.csv").write_text("subscription_id,start_date,account_id,mrr,currency\n")
    (tmp_path / "sources.yaml").write_text(
        "version: 1\nextracts: {crm_accounts: {path: accounts.csv}, billing_subscriptions: {path: subscriptions.csv}}"
    )
    checked = call("check-sources", home=tmp_path)
    assert checked.exit_code == 0, checked.stderr
    assert "warning:" in checked.stderr
    assert "subscriptions.csv: there are no rows" in checked.stderr
    ran = call("run", "--select", "billing_subscriptions", home=tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert "billing_subscriptions: its source has no rows" in ran.stderr
