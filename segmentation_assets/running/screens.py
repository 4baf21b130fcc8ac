"""Dagster's code server, web server and daemon on this machine, as child processes that end with this one.

Here: which of them, with or without the web pages; one daemon per home. Not here: watching and ending them
(`children`), what they load (`orchestration.definitions`), or their schedules and sensors (`automation`).

Web server and daemon share one code server over a socket file. Otherwise each would load the chain itself, the daemon
once a minute.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from segmentation_assets.reasons import Refusal
from segmentation_assets.running import doors, pages
from segmentation_assets.running.children import HOST, Children, check_free, module, script
from segmentation_assets.running.instance import prepare
from segmentation_assets.settings import Settings, write_whole
from segmentation_assets.warehouse.store import Busy, Holder, locked

LOCATION = "segmentation"
_WORKSPACE = "load_from:\n  - grpc_server: {{socket: {socket}, location_name: segmentation}}\n"
_MODULE = "segmentation_assets.definitions"


class AlreadyKept(Refusal):
    """Another process already runs the daemon of this home. Two daemons would start every run twice."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"this home is already kept current by another process: {holder or 'it is just starting'}")


def serve(
    settings: Settings, port: int | None, ready: Callable[[str | None, Holder | None], None] | None = None
) -> int:
    """Run code server, daemon and (with a port) web pages until a signal, or until one of them ends by itself.

    Returns the exit code of the one that ended, else 0. If another process runs the daemon of this home, only the
    pages are served. `ready` is called once all of them answer, with the address to open, and with that other process
    or None. Raises, before anything starts, PortTaken, or AlreadyKept without a port.
    """
    if port is not None:
        check_free(port)
    environment = os.environ | settings.environment() | prepare(settings)
    with ExitStack() as stack:
        lock, other = None, None
        try:
            lock = stack.enter_context(locked(settings.daemon_lock, Holder.of_this_process(""), 0))
        except Busy as busy:
            if port is None:
                raise AlreadyKept(busy.holder) from None
            other = busy.holder
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segmentation-")))
        with Children(environment) as children:
            # The daemon holds the lock, too, so that the home stays locked if only this process is killed.
            token = doors.new_token()
            _start(children, folder, port, token, lock.fileno() if lock else None)
            if ready:
                ready(doors.address(HOST, port, token) if port is not None else None, other)
            children.wait()
        return children.code


def _start(children: Children, folder: Path, port: int | None, token: str, lock: int | None) -> None:
    workspace, code = folder / "workspace.yaml", folder / "code.socket"
    write_whole(workspace, _WORKSPACE.format(socket=code))
    location = ("--location-name", LOCATION, "-m", _MODULE, "-d", str(Path(__file__).parents[2]))
    children.start(script("dagster"), "code-server", "start", "-s", str(code), *location)
    children.wait_for_socket(code)
    if port is not None:
        served = (pages.DAGSTER, str(port), str(workspace))
        children.start(*module(pages.__name__), *served, environment={doors.TOKEN: token})
    if lock is not None:
        children.start(script("dagster-daemon"), "run", "-w", str(workspace), keep_open=(lock,))
    if port is not None:
        children.wait_for_port(port)
