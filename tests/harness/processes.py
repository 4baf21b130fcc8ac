"""Commands of the product as processes of their own, and ending them with all that they started. Not here: waiting.

Ending goes by the ids of processes that the test started, and of their children.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

import psutil

from tests.harness import waiting

ROOT = Path(__file__).parents[2]


def command(home: Path, *arguments: object) -> list[str]:
    """The command line of the product on a home."""
    return [sys.executable, "-m", "segmentation_assets.cli.main", "--home", str(home), *map(str, arguments)]


def started(arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> Popen[bytes]:
    """A process whose output is appended to `log`."""
    with log.open("a") as out:
        return Popen(arguments, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)


@contextmanager
def serving(
    arguments: list[str], log: Path, says: str, end: signal.Signals = signal.SIGINT
) -> Iterator[Popen[bytes]]:
    """A command that goes on until it is told to end, from when its log `says` so. It must end well."""
    process = started(arguments, log)
    try:
        waiting.until(lambda: says in log.read_text(), process, log=log)
        yield process
    finally:
        children = _children(process)
        process.send_signal(end)
        code = process.wait()
    waiting.until_gone(children)
    assert code == 0, log.read_text()


def address_in(log: Path) -> str:
    """The address that `ui` or `app` showed, with its key."""
    return re.findall(r"http://\S+", log.read_text())[-1]


def site(address: str) -> str:
    """An address without path and key."""
    return "http://" + urlsplit(address).netloc


def kill(process: Popen[bytes]) -> None:
    """End a process and all that it started, at once and without warning."""
    doomed = _children(process)
    for each in (process, *doomed):  # it first, as it could start more
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    waiting.until_gone(doomed)


def _children(process: Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
