"""A Postgres server for tests, on a Unix socket in a folder of its own. No assertions on what is tested.

It never runs as root, which Postgres refuses: started by root it runs as the user `postgres`, else `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

OWNER = "owner"
_START_SECONDS = 60


def programs() -> Path | None:
    """The folder of `postgres` and `initdb`: of the path, else Debian's; None where there is none."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "postgres").exists() and (f / "initdb").exists()), None)


@contextmanager
def server(folder_of_programs: Path) -> Iterator[str]:
    """A running server; gives the connection string of its owner, to the database `postgres`."""
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # short, as sockets need; pytest's own is closed to others
    try:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        _run([folder_of_programs / "initdb", "-D", data, "-U", OWNER, "-E", "UTF8", "--auth=trust", "-N"], account)
        with (folder / "log").open("w") as log:
            process = _started(
                [folder_of_programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"],
                account,
                log.fileno(),
            )
            try:
                address = f"postgresql://{OWNER}@/postgres?host={folder}"
                _wait_for(address, process, folder / "log")
                yield address
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder)


def _account() -> pwd.struct_passwd | None:
    """Whom to run as; None: as oneself."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _run(command: list[str | Path], account: pwd.struct_passwd | None) -> None:
    process = _started(command, account, subprocess.PIPE)
    said, _ = process.communicate(timeout=_START_SECONDS)
    assert process.returncode == 0, said


def _started(command: list[str | Path], account: pwd.struct_passwd | None, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(map(str, command)),
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
