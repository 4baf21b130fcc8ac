"""What the tables are and what they are made from: dictionary and column lineage of the whole chain.

Here: getting both for a home under a policy, from what is kept there or made anew. Not here: deriving them
(`warehouse.tracing`, `warehouse.dictionary`), or showing them. Loads the chain only where nothing is kept.

Kept under `<home>/compiled`, by the package's own source and the versions of its engines: any edit makes it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_assets.settings import find_home
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.dictionary import TableEntry
from segmentation_assets.warehouse.lineage import Lineage

if TYPE_CHECKING:
    from segmentation_assets.policy.model import Policy

_NAME = "catalogue"
_PACKAGE = Path(__file__).parent
_ENGINES = ("ibis-framework", "pandera")


@dataclass(frozen=True)
class CatalogueFacts:
    """The dictionary, upstream first, and the lineage of one chain under one policy."""

    entries: Mapping[str, TableEntry]
    lineage_json: Mapping[str, Any]

    @cached_property
    def lineage(self) -> Lineage:
        """Which columns a column is made from."""
        return Lineage.of_json(self.lineage_json)


def read_catalogue(policy: Policy, home: Path | str | None = None) -> CatalogueFacts:
    """Dictionary and lineage of the chain that is installed. A home that is not there is not made."""
    kept = Compiled(find_home(home) / "compiled", ".json")
    key = _key(policy)
    text = kept.get(_NAME, key)
    if text is None:
        text = json.dumps(_made(policy, kept), ensure_ascii=False, separators=(",", ":"))
        if kept.folder.parent.is_dir():
            with suppress(OSError):  # a home that may only be read; the next call takes longer, that is all
                kept.keep(_NAME, key, text)
    value = json.loads(text)
    entries = (TableEntry.of_json(one) for one in value["dictionary"])
    return CatalogueFacts({one.name: one for one in entries}, value["lineage"])


def _key(policy: Policy) -> str:
    """Hash of every source file of the package, the policy and the engines; without importing any of them."""
    told = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        told.update(str(file.relative_to(_PACKAGE)).encode())
        told.update(file.read_bytes())
    told.update(policy.digest.encode())
    for engine in _ENGINES:
        told.update(version(engine).encode())
    return told.hexdigest()[:16]


def _made(policy: Policy, kept: Compiled) -> dict[str, Any]:
    from segmentation_assets.chain import CATALOGUE  # noqa: PLC0415 - seconds, which what is kept saves
    from segmentation_assets.policy.model import section_names  # noqa: PLC0415
    from segmentation_assets.warehouse.dictionary import dictionary  # noqa: PLC0415
    from segmentation_assets.warehouse.tracing import lineage  # noqa: PLC0415

    return {
        "dictionary": [one.to_json() for one in dictionary(CATALOGUE, section_names())],
        "lineage": lineage(CATALOGUE, policy, kept).to_json(),
    }
