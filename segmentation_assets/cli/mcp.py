"""`segmentation mcp`: let an assistant ask. Not here: the questions (`assistants`), or the transports (`running`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli.options import policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages


@click.command("mcp", short_help="Let an AI assistant ask about accounts and KPIs.")
@click.option("--http", "is_http", is_flag=True, help="Serve HTTP on 127.0.0.1 instead of standard input and output.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True)
@policy_option
@click.pass_obj
def command(home: Path, is_http: bool, port: int, policy: Path | None) -> None:
    """Serve read-only answers by the Model Context Protocol: accounts, segments, KPIs, plays, with day and source.

    An assistant starts this command itself and speaks to it over standard input and output. With --http, clients send
    the key that is shown as a bearer token.
    """
    settings = settings_of(home, policy=policy)
    from segmentation_assets.running.assistants import serve_here, serve_http

    if not is_http:
        serve_here(settings)
        return
    console = messages()

    def ready(address: str, key: str) -> None:
        console.print(f"{address}\nAuthorization: Bearer {key}", markup=False, highlight=False, soft_wrap=True)

    serve_http(settings, port, ready)
