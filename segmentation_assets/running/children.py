"""Servers on this machine as child processes that end with this one.

Here: starting, watching and ending them, and whether a port is free. Not here: which servers, and their options
(`screens`, `explorer`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from segmentation_assets.reasons import Refusal

HOST = "127.0.0.1"
_GRACE_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.3


class PortTaken(Refusal, OSError):
    """Another process listens on the port."""


class _Ended(Exception):
    """A signal asked this process to end."""


class _ChildEnded(Exception):
    """One of the children ended by itself."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def check_free(port: int) -> None:
    """Raises PortTaken if another process listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortTaken(f"port {port} is in use: choose another one with --port") from None


def script(name: str) -> str:
    """A command of the same environment as this process."""
    return str(Path(sys.executable).with_name(name))


def module(name: str) -> tuple[str, ...]:
    """A module of this installation as a command."""
    return sys.executable, "-m", name


class Children:
    """Child processes for the duration of a `with` block.

    The block ends, without an exception, at a signal (Ctrl-C, SIGTERM) or when a child ends by itself. Then all
    children and their own children are ended. Afterwards `code` is the exit code: 0 after a signal, else that of the
    child.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.code = 0
        self._environment = environment
        self._children: list[subprocess.Popen[bytes]] = []
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            self._end_all()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
        self.code = error.code if isinstance(error, _ChildEnded) else 0
        return isinstance(error, _Ended | _ChildEnded)

    def start(
        self, *command: str, keep_open: Sequence[int] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a child in its own session, so that Ctrl-C reaches it only through this process, which waits for it.

        It also gets the open files `keep_open` and the variables `environment`.
        """
        child = subprocess.Popen(  # noqa: S603 - own commands
            command,
            env={**self._environment, **(environment or {})},
            start_new_session=True,
            pass_fds=keep_open,
            preexec_fn=partial(_end_with, os.getpid()),  # noqa: PLW1509 - no threads run in this process
        )
        self._children.append(child)

    def wait(self, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until the condition is true; by default, until the block ends."""
        while not until():
            for child in self._children:
                code = child.poll()
                if code is not None:
                    raise _ChildEnded(code or 1)
            time.sleep(_LOOK_EVERY_SECONDS)

    def wait_for_socket(self, path: Path) -> None:
        """Wait until a server answers on a socket file."""
        self.wait(lambda: _answers(socket.AF_UNIX, str(path)))

    def wait_for_port(self, port: int) -> None:
        """Wait until a server answers on a port."""
        self.wait(lambda: _answers(socket.AF_INET, (HOST, port)))

    def _end_all(self) -> None:
        """Ask the children to end, wait, then kill them and their own children."""
        for child in self._children:
            child.send_signal(signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.1, until - time.monotonic()))
            _kill_group(child)


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _end_with(parent: int) -> None:
    """In a child: get SIGTERM when the parent ends, however it ends. Only Linux has this."""
    if not hasattr(_LIBC, "prctl"):
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    raise _Ended(signal.Signals(number).name)


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(address) == 0


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()
