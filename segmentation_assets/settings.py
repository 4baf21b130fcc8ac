"""The paths of a home: its folder, its sources and its policy; and how its small files are written.

Here: turning options, environment variables and the settings of the last run into paths. Not here: reading sources
(`extracts`) or the policy (`policy.model`), or the published tables (`warehouse.store`).

Precedence: an option, an environment variable (SEGMENTATION_HOME, SEGMENTATION_SOURCES, SEGMENTATION_POLICY), the
setting of this home's last run, `<home>/sources.yaml` or `<home>/policy.yaml`, the sample, the shipped policy.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from segmentation_assets.reasons import Refusal, WrongUse

HOME = "SEGMENTATION_HOME"
SOURCES = "SEGMENTATION_SOURCES"
POLICY = "SEGMENTATION_POLICY"
WAREHOUSE = "SEGMENTATION_WAREHOUSE"
SPARK_MASTER = "SEGMENTATION_SPARK_MASTER"
SPARK_STORAGE = "SEGMENTATION_SPARK_STORAGE"
SPARK_FROM_MB = "SEGMENTATION_SPARK_FROM_MB"
DEFAULT = "default"
"""Given instead of a file, this word means the shipped policy."""

_DEFAULT_HOME = "data"
_SPARK_MASTER, _SPARK_FROM_MB = "local[*]", "1024"
_MEMORY = "last_run.json"
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO


class BrokenMemory(Refusal, ValueError):
    """The settings of the last run cannot be read. The message says what to do."""


@dataclass(frozen=True)
class Settings:
    """The absolute paths of a run. `policy` None: the shipped policy. `sources` None: there is no mapping."""

    home: Path
    sources: Path | None
    policy: Path | None

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"

    @property
    def daemon_lock(self) -> Path:
        """The lock file of the process that keeps this home current. It names the process."""
        return self.dagster_home / "daemon.lock"

    @property
    def sample(self) -> Path:
        """Folder of the sample company."""
        return self.home / "sample"

    def remember(self) -> None:
        """Let later runs of this home, and its UI, use the same sources and policy."""
        keep_private()
        self.home.mkdir(parents=True, exist_ok=True)
        facts = {k: str(v) if v else None for k, v in asdict(self).items() if k != "home"}
        write_whole(self.home / _MEMORY, json.dumps(facts, indent=1) + "\n")

    def environment(self) -> dict[str, str]:
        """Environment variables with which another process gets the same settings."""
        variables = {HOME: str(self.home), POLICY: str(self.policy or DEFAULT)}
        return variables | ({SOURCES: str(self.sources)} if self.sources else {})


class UnknownWarehouse(WrongUse, ValueError):
    """SEGMENTATION_WAREHOUSE or a setting of Spark cannot be used. The message says what can be."""


@dataclass(frozen=True)
class SparkSettings:
    """Where Spark runs, from how many bytes on a table is computed there, and where its results are written.

    `storage` None: the home's staging folder.
    """

    master: str
    least_bytes: int
    storage: Path | None

    @classmethod
    def from_environment(cls) -> SparkSettings | None:
        """The settings, from SEGMENTATION_WAREHOUSE and SEGMENTATION_SPARK_*; None: no Spark.

        Raises UnknownWarehouse.
        """
        chosen = os.environ.get(WAREHOUSE) or "duckdb"
        if chosen not in {"duckdb", "spark"}:
            raise UnknownWarehouse(f"{WAREHOUSE}={chosen}: use duckdb or spark")
        if chosen == "duckdb":
            return None
        size = os.environ.get(SPARK_FROM_MB) or _SPARK_FROM_MB
        if not size.isdigit():
            raise UnknownWarehouse(f"{SPARK_FROM_MB}={size}: use a number of megabytes, such as {_SPARK_FROM_MB}")
        storage = os.environ.get(SPARK_STORAGE)
        master = os.environ.get(SPARK_MASTER) or _SPARK_MASTER
        return cls(master, int(size) * 2**20, Path(storage).absolute() if storage else None)


def write_whole(file: Path, text: str) -> None:
    """Write a small file so that readers see the old text or the new one, also where the disk is full or power fails.

    Raises OSError; the file is as it was then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def keep_private() -> None:
    """From now on this process makes files for its own user alone, as do processes that it starts.

    Called wherever a home is written: it holds customers' data. A file that people ask for elsewhere, such as an
    export, is written by commands that do not call this, so the user's umask says who may read it.
    """
    os.umask(os.umask(_PRIVATE) | _PRIVATE)


def is_open_to_all(home: Path) -> bool:
    """Whether every user of this machine can look into a home. Those of its group are the owner's business."""
    return home.exists() and bool(stat.S_IMODE(home.stat().st_mode) & stat.S_IRWXO)


def find_home(home: Path | str | None = None) -> Path:
    """The home to use: `home`, else SEGMENTATION_HOME, else `data/` in the current folder."""
    return Path(home or os.environ.get(HOME) or _DEFAULT_HOME).absolute()


def find_settings(
    home: Path | str | None = None, sources: Path | str | None = None, policy: Path | str | None = None
) -> Settings:
    """The settings, by the precedence in the module's docstring. Writes nothing.

    Raises BrokenMemory.
    """
    root = find_home(home)
    last = _remembered(root)
    chosen = sources or os.environ.get(SOURCES) or last.get("sources")
    candidates = (root / "sources.yaml", root / "sample" / "sources.yaml")
    mapping = Path(chosen) if chosen else next((p for p in candidates if p.exists()), None)
    return Settings(root, mapping.absolute() if mapping else None, _policy_file(root, policy, last))


def _policy_file(root: Path, policy: Path | str | None, last: dict[str, str | None]) -> Path | None:
    chosen = policy or os.environ.get(POLICY)
    if not chosen:
        if last:
            chosen = last.get("policy") or DEFAULT
        else:
            chosen = root / "policy.yaml" if (root / "policy.yaml").exists() else DEFAULT
    return None if str(chosen) == DEFAULT else Path(chosen).absolute()


def _remembered(root: Path) -> dict[str, str | None]:
    try:
        return json.loads((root / _MEMORY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:  # not the same as no file: that would silently use the shipped policy
        raise BrokenMemory(
            f"{root / _MEMORY}: not readable as JSON: {error}; delete it and name --sources and --policy again"
        ) from None
