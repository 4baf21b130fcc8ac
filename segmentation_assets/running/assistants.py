"""Serving an assistant: over standard input and output, or over HTTP on loopback behind the doors.

Here: putting the questions of a home behind a transport. Not here: the questions (`assistants`), or who may connect
(`doors`). The key of HTTP is new at each start, unless the environment has one, which clients can then keep.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reasons import WrongUse
from segmentation_assets.running.children import HOST, check_free
from segmentation_assets.running.doors import TOKEN, Doors, new_token
from segmentation_assets.running.storage.run_records import RunRecords
from segmentation_assets.settings import Settings

_SHORTEST_KEY = 32


class NotInstalled(WrongUse):
    """The extra `mcp` is not installed; the message says how to."""


class WeakKey(WrongUse):
    """The key in the environment is too short to keep anybody out."""


def server_for(settings: Settings) -> Any:
    """The server of a home. Raises NotInstalled."""
    if importlib.util.find_spec("mcp") is None:
        raise NotInstalled(
            "assistants need the extra `mcp`, which is not installed: pip install 'segmentation-assets[mcp]' "
            "(in a checkout: pip install -e '.[mcp]')"
        )
    from segmentation_assets.assistants.questions import Questions  # noqa: PLC0415 - only here
    from segmentation_assets.assistants.server import server_of  # noqa: PLC0415 - needs the extra

    return server_of(
        Questions(settings, lambda: load_policy(settings.policy), lambda: RunRecords(settings.dagster_home))
    )


def serve_here(settings: Settings) -> None:
    """Answer on standard input and output until the client closes them."""
    server_for(settings).run("stdio")


def serve_http(settings: Settings, port: int, ready: Callable[[str, str], None]) -> None:
    """Answer on a port of this machine until a signal. `ready` is called with the address and the key.

    Raises NotInstalled, PortTaken, WeakKey.
    """
    check_free(port)
    key = os.environ.get(TOKEN) or new_token()
    if len(key) < _SHORTEST_KEY:
        raise WeakKey(f"{TOKEN}: a key needs at least {_SHORTEST_KEY} characters; leave it out to get a new one")
    application = http_application(settings, port, key)
    import uvicorn  # noqa: PLC0415 - comes with the extra

    from segmentation_assets.assistants.server import PATH  # noqa: PLC0415

    ready(f"http://{HOST}:{port}{PATH}", key)
    uvicorn.run(application, host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=3)


def http_application(settings: Settings, port: int, key: str) -> Doors:
    """The server behind the doors, as ASGI."""
    from segmentation_assets.assistants.server import PATH  # noqa: PLC0415

    pages = server_for(settings).streamable_http_app(
        streamable_http_path=PATH, json_response=True, stateless_http=True, host=HOST
    )
    return Doors(pages, port=port, token=key)
