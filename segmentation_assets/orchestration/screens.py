"""Dagster's code server, web server and daemon on this machine, as child processes that end with this one.

Here: starting, watching and ending them, with or without pages; one daemon per home. Not here: what they show
(`definitions`), or what the daemon does by itself (`schedules`, sensors; `automation` lists them).

Web server and daemon share one code server, over a socket file: each by itself would load the chain again, and the
daemon once a minute.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from segmentation_assets.orchestration.instance import prepare
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Busy, Holder, locked

HOST = "127.0.0.1"
LOCATION = "segmentation"
_WORKSPACE = "load_from:\n  - grpc_server: {{socket: {socket}, location_name: segmentation}}\n"
_MODULE = "segmentation_assets.definitions"
_GRACE_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.3


class PortTaken(OSError):
    """Something else listens on the port."""


class _Ended(Exception):
    """A signal asked this process to end."""


class _ChildEnded(Exception):
    """One of the children ended by itself."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class AlreadyKept(Exception):
    """Another process already runs the daemon of this home: two would start everything twice."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(f"this home is already kept current by another process: {holder or 'it is just starting'}")


def serve(settings: Settings, port: int | None, ready: Callable[[Holder | None], None] | None = None) -> int:
    """Run code server, daemon and (with a port) web pages until a signal, or until one of them ends by itself.

    Returns that one's exit code, else 0. `ready` is called once all are there, with whoever else runs the daemon of
    this home: then only the pages are served. Raises PortTaken, or AlreadyKept without pages, before anything starts.
    """
    if port is not None:
        _check_free(port)
    environment = os.environ | settings.environment() | prepare(settings)
    with ExitStack() as stack:
        lock, other = None, None
        try:
            lock = stack.enter_context(locked(settings.daemon_lock, Holder.of_this_process(""), 0))
        except Busy as busy:
            if port is None:
                raise AlreadyKept(busy.holder) from None
            other = busy.holder
        # The daemon holds the lock too: it is not free while one lives on whose parent was killed.
        return _serve(environment, port, lock.fileno() if lock else None, partial(ready, other) if ready else None)


def _serve(
    environment: Mapping[str, str], port: int | None, lock: int | None, ready: Callable[[], None] | None
) -> int:
    children: list[subprocess.Popen[bytes]] = []
    with _signals_as_exceptions(), tempfile.TemporaryDirectory(prefix="segmentation-") as folder:
        workspace, code = Path(folder, "workspace.yaml"), Path(folder, "code.socket")
        workspace.write_text(_WORKSPACE.format(socket=code))
        location = ("--location-name", LOCATION, "-m", _MODULE, "-d", str(Path(__file__).parents[2]))
        try:
            children.append(
                _start([_script("dagster"), "code-server", "start", "-s", str(code), *location], environment)
            )
            _wait(children, lambda: _answers(socket.AF_UNIX, str(code)))
            if port is not None:
                server = [_script("dagster-webserver"), "-h", HOST, "-p", str(port), "-w", str(workspace)]
                children.append(_start(server, environment))
            if lock is not None:
                daemon = [_script("dagster-daemon"), "run", "-w", str(workspace)]
                children.append(_start(daemon, environment, keep_open=(lock,)))
            _wait(children, lambda: port is None or _answers(socket.AF_INET, (HOST, port)))
            if ready:
                ready()
            return _wait(children, lambda: False)
        except _Ended:
            return 0
        except _ChildEnded as ended:
            return ended.code
        finally:
            _end(children)


def _start(
    command: Sequence[str], environment: Mapping[str, str], keep_open: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A child in a session of its own: Ctrl-C reaches it once, through this process, which waits for it."""
    return subprocess.Popen(  # noqa: S603 - own commands
        command, env=environment, start_new_session=True, pass_fds=keep_open
    )


def _check_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortTaken(f"port {port} is taken: say --port with another one") from None


def _script(name: str) -> str:
    """A command of the same environment as this process."""
    return str(Path(sys.executable).with_name(name))


def _wait(children: Sequence[subprocess.Popen[bytes]], until: Callable[[], bool]) -> int:
    """Wait for something. Raises _ChildEnded where one of the children ends before."""
    while not until():
        for child in children:
            code = child.poll()
            if code is not None:
                raise _ChildEnded(code or 1)
        time.sleep(_LOOK_EVERY_SECONDS)
    return 0


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(address) == 0


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask, wait, then force; with all that they started themselves."""
    for child in children:
        child.send_signal(signal.SIGTERM)
    until = time.monotonic() + _GRACE_SECONDS
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=max(0.1, until - time.monotonic()))
        _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise _Ended(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
