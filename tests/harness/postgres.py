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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.harness import waiting

OWNER = "owner"
HOW_TO_GET_POSTGRES = "no Postgres server on this machine (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of `postgres` and `initdb`: of the path, else Debian's; None where there is none."""
    result = shutil.which("postgres")
    folders = [Path(result).resolve().parent] if result else []
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
                waiting.until(lambda: _answers(address), process, log=folder / "log")
                yield address
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()
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
    said, _ = process.communicate()
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


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    """The connection string of the owner of an empty database."""
    folder = programs()
    assert folder is not None, HOW_TO_GET_POSTGRES
    with server(folder) as address:
        yield address
