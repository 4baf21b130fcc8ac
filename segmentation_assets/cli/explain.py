"""`segmentation explain`: why an account is where it is. Not here: the reasons (`reading.explanations`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import as_of_option, format_option, policy_option, settings_of


@click.command("explain", short_help="Say why an account has its segment and tier.")
@click.argument("account", shell_complete=completion.accounts)
@as_of_option
@policy_option
@format_option("text", "json")
@click.pass_obj
def command(home: Path, account: str, as_of: str | None, policy: Path | None, form: str) -> None:
    """Say why ACCOUNT (its id or name) has its segment and tier, down to raw figures."""
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.cli.printing.explanation import print_explanation
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.explanations.gathering import explain

    explanation = explain(account, as_of, home=home, policy=load_policy(settings.policy))
    if form == "json":
        click.echo(json.dumps(asdict(explanation), indent=1, default=str, ensure_ascii=False))
    else:
        print_explanation(Console(), explanation)
