"""Starting the explorer: Streamlit as a child process on loopback, without telemetry.

Here: its options. Not here: the page (`app.explorer`), who may open it (`doors`), or watching the process
(`children`).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from segmentation_assets.reading import palette
from segmentation_assets.reasons import WrongUse
from segmentation_assets.running import doors, pages
from segmentation_assets.running.children import HOST, Children, check_free, module
from segmentation_assets.settings import Settings

PAGE = Path(__file__).parents[1] / "app" / "explorer.py"
OPTIONS = {
    "server.address": HOST,
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.serverAddress": HOST,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # the terminal has them
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,  # else Streamlit shows the docstrings in the page's code
    "theme.light.primaryColor": palette.LIGHT[palette.BLUE],
    "theme.dark.primaryColor": palette.DARK[palette.BLUE],
}


class NotInstalled(WrongUse):
    """The extra `app` is not installed; the message says how to."""


def serve(settings: Settings, port: int, ready: Callable[[str], None] | None = None) -> int:
    """Run the explorer until a signal (returns 0) or until it ends by itself (its exit code).

    `ready` is called with the address to open, once the page is served. Raises NotInstalled and PortTaken before
    anything starts.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise NotInstalled(
            "the explorer needs Streamlit, an extra that is not installed: pip install 'segmentation-assets[app]' "
            "(in a checkout: pip install -e '.[app]')"
        )
    check_free(port)
    token = doors.new_token()
    with Children(os.environ | settings.environment()) as children:
        children.start(*module(pages.__name__), pages.EXPLORER, str(port), environment={doors.TOKEN: token})
        children.wait_for_port(port)
        if ready:
            ready(doors.address(HOST, port, token))
        children.wait()
    return children.code
