"""Dagster's code server, web server and daemon on this machine, as child processes that end with this one.

Here: which ones, and how they find each other. Not here: watching and ending them (`children`) or what they show
(`definitions`).

Web server and daemon share one code server, over a socket file: each by itself would load the chain again, and the
daemon once a minute.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from segmentation_assets.children import HOST, Children, check_free, script
from segmentation_assets.orchestration.instance import prepare
from segmentation_assets.settings import Settings

LOCATION = "segmentation"
_WORKSPACE = "load_from:\n  - grpc_server: {{socket: {socket}, location_name: segmentation}}\n"
_MODULE = "segmentation_assets.definitions"


def serve(settings: Settings, port: int, ready: Callable[[], None] | None = None) -> int:
    """Run all three until a signal, or until one of them ends by itself; returns that one's exit code, else 0.

    `ready` is called once pages are served. Raises PortTaken before anything starts.
    """
    check_free(port)
    environment = os.environ | settings.environment() | prepare(settings)
    with tempfile.TemporaryDirectory(prefix="segmentation-") as folder, Children(environment) as children:
        workspace, code = Path(folder, "workspace.yaml"), Path(folder, "code.socket")
        workspace.write_text(_WORKSPACE.format(socket=code))
        location = ("--location-name", LOCATION, "-m", _MODULE, "-d", str(Path(__file__).parents[2]))
        children.start(script("dagster"), "code-server", "start", "-s", str(code), *location)
        children.wait_for_socket(code)
        children.start(script("dagster-webserver"), "-h", HOST, "-p", str(port), "-w", str(workspace))
        children.start(script("dagster-daemon"), "run", "-w", str(workspace))
        children.wait_for_port(port)
        if ready:
            ready()
        children.wait()
    return children.code
