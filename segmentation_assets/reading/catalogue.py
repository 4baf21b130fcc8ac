"""Dictionary and column lineage of the whole chain.

Here: getting both for a home under a policy, from the home's cache or newly made. Not here: making them
(`lineage.tracing`, `tables.dictionary`), or showing them. The chain is only loaded if the cache is out of date.

The cache is in `<home>/compiled`. Its key is the package's own source and the versions of its engines, so any edit
makes it out of date.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_assets.lineage.columns import Lineage
from segmentation_assets.reasons import WrongUse
from segmentation_assets.settings import find_home
from segmentation_assets.tables.dictionary import TableEntry
from segmentation_assets.warehouse.compiled import Compiled

if TYPE_CHECKING:
    from segmentation_assets.policy.model import Policy

_NAME = "catalogue"
_PACKAGE = Path(__file__).parents[1]
_ENGINES = ("ibis-framework", "pandera")


class UnknownColumn(WrongUse, LookupError):
    """There is no such table or column. The message lists similar names."""


@dataclass(frozen=True)
class CatalogueFacts:
    """The dictionary, inputs first, and the lineage of one chain under one policy."""

    entries: Mapping[str, TableEntry]
    lineage_json: Mapping[str, Any]

    def find(self, text: str) -> tuple[str, str | None]:
        """The table, and the column if there is one, of `TABLE` or `TABLE.COLUMN`. Raises UnknownColumn."""
        table, _, column = text.partition(".")
        if table not in self.entries:
            holders = [f"{name}.{table}" for name, one in self.entries.items() if table in _names(one)]
            near = difflib.get_close_matches(table, self.entries, n=3) if not holders else holders[:5]
            raise UnknownColumn(f"there is no table {table!r}{_hint(near)}; `segmentation dictionary` lists all")
        if not column:
            return table, None
        names = _names(self.entries[table])
        if column not in names:
            near = difflib.get_close_matches(column, names, n=3)
            raise UnknownColumn(f"{table} has no column {column!r}{_hint(near) or '; it has ' + ', '.join(names)}")
        return table, column

    @cached_property
    def lineage(self) -> Lineage:
        """The sources of every column."""
        return Lineage.of_json(self.lineage_json)


def _names(entry: TableEntry) -> list[str]:
    return [column.name for column in entry.columns]


def _hint(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def read_catalogue(policy: Policy, home: Path | str | None = None) -> CatalogueFacts:
    """Dictionary and lineage of the installed chain. It does not create a home."""
    cache = Compiled(find_home(home) / "compiled", ".json")
    key = _key(policy)
    text = cache.get(_NAME, key)
    if text is None:
        text = json.dumps(_catalogue(policy, cache), ensure_ascii=False, separators=(",", ":"))
        if cache.folder.parent.is_dir():
            with suppress(OSError):  # a read-only home: the next call just takes longer
                cache.keep(_NAME, key, text)
    value = json.loads(text)
    entries = (TableEntry.of_json(one) for one in value["dictionary"])
    return CatalogueFacts({one.name: one for one in entries}, value["lineage"])


def _key(policy: Policy) -> str:
    """Hash of every source file of the package, the policy and the engines' versions, without importing them."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(file.relative_to(_PACKAGE)).encode())
        digest.update(file.read_bytes())
    digest.update(policy.digest.encode())
    for engine in _ENGINES:
        digest.update(version(engine).encode())
    return digest.hexdigest()[:16]


def _catalogue(policy: Policy, cache: Compiled) -> dict[str, Any]:
    from segmentation_assets.chain import CATALOGUE  # noqa: PLC0415 - takes seconds, which the cache saves
    from segmentation_assets.lineage.tracing import lineage  # noqa: PLC0415
    from segmentation_assets.policy.model import section_names  # noqa: PLC0415
    from segmentation_assets.tables.dictionary import dictionary  # noqa: PLC0415

    return {
        "dictionary": [one.to_json() for one in dictionary(CATALOGUE, section_names())],
        "lineage": lineage(CATALOGUE, policy, cache).to_json(),
    }
