"""What is made once and shared: by the tests of a session, by its workers, and compiled SQL by later sessions too.

Compiling the chain to SQL takes more CPU than running it on a small company. A home keeps its compiled texts under
keys of code, policy and engines (`warehouse.compiled`); here all homes of tests share one folder of them. A text of
the same key is the same text, so a test that shares it tests the same thing. Not here: what a test makes with it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import ibis
import pytest

from segmentation_assets.warehouse.compiled import Compiled

PACKAGE = Path(__file__).parents[2] / "segmentation_assets"
_MACHINERY = ("lineage", "policy", "tables", "warehouse")
"""Rooms that make the texts. A key holds the table's code, not theirs: another state of them has another folder."""
_STATES_KEPT = 3


def once(name: str, make: Callable[[Path], None], factory: pytest.TempPathFactory) -> Path:
    """The folder `name` of this session, made by the first worker that asks. Read only: copy it to change it."""
    in_worker = os.environ.get("PYTEST_XDIST_WORKER")
    shared = factory.getbasetemp().parent if in_worker else factory.getbasetemp()
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that died
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def compiled_texts(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The folder of compiled texts that all tests share."""
    shared = _Shared(_folder_of_texts(pytestconfig))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.harness.shared._texts_of_session", shared.folder)
        patch.setattr(Compiled, "get", shared.get)
        patch.setattr(Compiled, "keep", shared.keep)
        yield shared.folder


@pytest.fixture
def texts_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that puts another function under a table's name: its texts are of no use to others."""
    monkeypatch.setattr(Compiled, "get", _GET)
    monkeypatch.setattr(Compiled, "keep", _KEEP)


_GET, _KEEP = Compiled.get, Compiled.keep


class _Shared:
    """`Compiled` as homes have it, with the shared folder behind each home's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.get, self.keep = self._methods()

    def _methods(self) -> tuple[Callable[..., str | None], Callable[..., None]]:
        """Functions that `Compiled` takes for methods."""

        def get(kept: Compiled, name: str, key: str) -> str | None:
            result = _GET(kept, name, key)
            if result is None and self._is_shared(kept, name):
                result = _GET(Compiled(self.folder, kept.suffix), name, key)
            return result

        def keep(kept: Compiled, name: str, key: str, text: str) -> None:
            _KEEP(kept, name, key, text)
            if self._is_shared(kept, name):
                self._share(kept._file(name, key).name, text)

        return get, keep

    @staticmethod
    def _is_shared(kept: Compiled, name: str) -> bool:
        """Compiled SQL and lineage; not plots, nor the note on which views a home's analytics file has."""
        return kept.suffix in {".sql", ".json"} and name != "analytics"

    def _share(self, file: str, text: str) -> None:
        _write(self.folder / file, text)


_texts_of_session: Path | None = None


def text_of(name: str, key: str) -> str | None:
    """A text of `companies.company` by a key of all that it follows from; None where there is none yet."""
    file = _file(name, key)
    try:
        return file.read_text(encoding="utf-8") if file else None
    except FileNotFoundError:
        return None


def keep_text(name: str, key: str, text: str) -> None:
    """Keep a text for other tests, workers and sessions."""
    if file := _file(name, key):
        _write(file, text)


def _file(name: str, key: str) -> Path | None:
    folder = _texts_of_session
    return folder / f"company-{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.sql" if folder else None


def _write(target: Path, text: str) -> None:
    unfinished = target.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(target)


def _folder_of_texts(config: pytest.Config) -> Path:
    """One per state of the machinery; those of older states go."""
    made_by = hashlib.sha256("".join((sys.version, ibis.__version__, duckdb.__version__)).encode())
    for room in _MACHINERY:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            made_by.update(file.read_bytes())
    states = config.rootpath / ".pytest_cache" / "compiled"
    folder = states / made_by.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for old in sorted(states.iterdir(), key=lambda state: state.stat().st_mtime)[:-_STATES_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
