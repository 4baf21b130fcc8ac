"""`segmentation digest`: what people should know since the last digest. Not here: its text (`sync.digest`)."""

from __future__ import annotations

import json
from pathlib import Path

import click

from segmentation_assets.cli.options import format_option, policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.reading.figures import counted


@click.command("digest", short_help="Print what changed for people, or post it to Slack.")
@click.option("--apply", "applies", is_flag=True, help="Post it to Slack, as one message. Without it, print it.")
@format_option("text", "slack")
@policy_option
@click.pass_obj
def command(home: Path, applies: bool, form: str, policy: Path | None) -> None:
    """Moves, renewals, crossings and failed runs since the last digest that was posted, the most urgent first.

    The webhook's address is read from the environment: SLACK_WEBHOOK_URL.
    """
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.sync.connecting import need_extra

    chosen = load_policy(settings.policy)
    need_extra()
    from segmentation_assets.sync.slack import new_digest, post_digest

    if applies:
        digest = post_digest(settings.home, chosen)
        posted = (
            f"posted {counted(digest.events, 'event')} to Slack" if digest.events else "nothing new: nothing posted"
        )
        messages().print(posted)
        return
    digest = new_digest(settings.home, chosen)
    click.echo(json.dumps(digest.as_slack(), indent=1, ensure_ascii=False) if form == "slack" else digest.as_text())
