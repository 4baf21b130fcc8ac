"""Calling the command as people do, and a small company in files."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from segmentation_assets.cli.main import main

ROOT = Path(__file__).parents[2]


def call(*arguments: object, home: Path | None = None) -> Result:
    option = ["--home", str(home)] if home else []
    result = CliRunner().invoke(main, [*option, *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception  # a traceback, which people must not see
    return result


def write_sources(folder: Path, accounts: str, mapping: str = "") -> Path:
    (folder / "accounts.csv").write_text(accounts)
    (folder / "subscriptions.csv").write_text(
        "subscription_id,start_date,account_id,product,plan,region,seats,mrr,currency\n"
        "s1,2025-01-01,a1,core,pro,emea,5,100,USD\n"
    )
    file = folder / "sources.yaml"
    file.write_text(
        "version: 1\nextracts:\n"
        f"  crm_accounts: {{path: accounts.csv{mapping}}}\n"
        "  billing_subscriptions: {path: subscriptions.csv}\n"
    )
    return file
