"""Where one home's things are: its folder, its sources, its policy, and what was used last.

Here: turning options, environment variables and the home's own memory into paths. Not here: reading sources
(`extracts`) or the policy (`policy.model`), or what stands in the published folder (`warehouse.store`).

Precedence: an option, an environment variable (SEGMENTATION_HOME, SEGMENTATION_SOURCES, SEGMENTATION_POLICY), what
the last run of this home used, `<home>/sources.yaml` or `<home>/policy.yaml`, the sample, the shipped policy.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from segmentation_assets.reasons import Refusal

HOME = "SEGMENTATION_HOME"
SOURCES = "SEGMENTATION_SOURCES"
POLICY = "SEGMENTATION_POLICY"
DEFAULT = "default"
"""The word that, instead of a file, stands for the shipped policy."""

_DEFAULT_HOME = "data"
_MEMORY = "last_run.json"
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO


class BrokenMemory(Refusal, ValueError):
    """What the last run left of its settings cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """The paths a run works with; all absolute. `policy` None is the shipped policy, `sources` None is none found."""

    home: Path
    sources: Path | None
    policy: Path | None

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"

    @property
    def daemon_lock(self) -> Path:
        """The file whose lock says that somebody keeps this home current, and who."""
        return self.dagster_home / "daemon.lock"

    @property
    def sample(self) -> Path:
        """Folder of the sample company."""
        return self.home / "sample"

    def remember(self) -> None:
        """Make a later run, or the UI, of this home use the same sources and policy."""
        keep_private()
        self.home.mkdir(parents=True, exist_ok=True)
        facts = {k: str(v) if v else None for k, v in asdict(self).items() if k != "home"}
        (self.home / _MEMORY).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Environment variables that make another process find the same settings."""
        variables = {HOME: str(self.home), POLICY: str(self.policy or DEFAULT)}
        return variables | ({SOURCES: str(self.sources)} if self.sources else {})


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
    """The home to use: the one given, SEGMENTATION_HOME, or `data/` below the current folder."""
    return Path(home or os.environ.get(HOME) or _DEFAULT_HOME).absolute()


def find_settings(
    home: Path | str | None = None, sources: Path | str | None = None, policy: Path | str | None = None
) -> Settings:
    """The settings by the precedence that the module's docstring gives. Touches nothing.

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
    except ValueError as error:  # not taken for an empty one: the shipped policy would silently replace one's own
        raise BrokenMemory(
            f"{root / _MEMORY}: not readable as JSON: {error}; delete it and name --sources and --policy again"
        ) from None
