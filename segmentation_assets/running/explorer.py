"""Starting the explorer: Streamlit as a child process on loopback, without telemetry.

Here: its options. Not here: the page (`app.explorer`) or watching the process (`children`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

from segmentation_assets.reading import palette
from segmentation_assets.reasons import WrongUse
from segmentation_assets.running.children import HOST, Children, check_free
from segmentation_assets.settings import Settings

_PAGE = Path(__file__).parents[1] / "app" / "explorer.py"
_OPTIONS = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.serverAddress": HOST,
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # the terminal has them
    "logger.hideWelcomeMessage": "true",
    "runner.magicEnabled": "false",  # else Streamlit shows the docstrings in the page's code
    "theme.light.primaryColor": palette.LIGHT[palette.BLUE],
    "theme.dark.primaryColor": palette.DARK[palette.BLUE],
}


class NotInstalled(WrongUse):
    """The extra `app` is not installed; the message says how to."""


def serve(settings: Settings, port: int, ready: Callable[[], None] | None = None) -> int:
    """Run the explorer until a signal (returns 0) or until it ends by itself (its exit code).

    `ready` is called once the page is served. Raises NotInstalled and PortTaken before anything starts.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise NotInstalled(
            "the explorer needs Streamlit, an extra that is not installed: pip install 'segmentation-assets[app]' "
            "(in a checkout: pip install -e '.[app]')"
        )
    check_free(port)
    options = [f"--{name}={value}" for name, value in (_OPTIONS | {"server.port": str(port)}).items()]
    with Children(os.environ | settings.environment()) as children:
        children.start(sys.executable, "-m", "streamlit", "run", str(_PAGE), *options)
        children.wait_for_port(port)
        if ready:
            ready()
        children.wait()
    return children.code
