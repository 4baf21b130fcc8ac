"""Presets: mappings of well-known exports, so that a `sources.yaml` needs a file and a name.

Here: finding a preset and putting it under what the mapping says itself. Not here: a mapping's model (`sources`). A
preset is a YAML file in this folder, by extract. It follows the public documentation of its format.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent
_SCHEMA = "{schema}"
_LISTS = {
    "{no_cents}": "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF",
    "{thousandths}": "BHD JOD KWD OMR TND",
}
"""Currencies whose amounts Stripe gives in whole units, and in thousandths instead of cents: lists in its queries
(https://docs.stripe.com/currencies)."""
_PLACES = ("path", "duckdb", "sqlite", "postgres")


class PresetError(ValueError):
    """A mapping asks for a preset that cannot be used. The message is one clause."""


@cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """All presets by name: `about`, a default `schema` if it reads a database, and `extracts`."""
    files = sorted(_FOLDER.glob("*.yaml"))
    return {file.stem: yaml.load(file.read_text("utf-8"), Loader=yaml.BaseLoader) for file in files}  # noqa: S506


def with_preset(extract: str, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping of one extract with its preset under it: what the mapping says itself counts.

    `columns`, `values` and `format` are merged key by key. A mapping with its own `table` or `query` drops the
    preset's query. Raises PresetError.
    """
    own = {key: value for key, value in mapping.items() if key not in {"preset", "schema"}}
    preset = _preset(str(mapping["preset"]))
    if extract not in preset["extracts"]:
        has = ", ".join(preset["extracts"])
        raise PresetError(f"the preset {mapping['preset']} has no {extract}; it has {has}")
    base = dict(preset["extracts"][extract])
    _check_place(str(mapping["preset"]), preset, mapping)
    if "query" in own or "table" in own:
        base.pop("query", None)
    elif "query" in base:
        base["query"] = _filled(base["query"], str(mapping.get("schema", preset.get("schema", ""))))
    merged = {**base, **own}
    for part in ("columns", "values", "format"):
        if isinstance(base.get(part), Mapping) and isinstance(own.get(part), Mapping):
            merged[part] = {**base[part], **own[part]}
    return merged


def _preset(name: str) -> Mapping[str, Any]:
    if name not in presets():
        close = difflib.get_close_matches(name, list(presets()), n=2)
        hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(presets())}"
        raise PresetError(f"there is no preset {name}{hint}")
    return presets()[name]


def _check_place(name: str, preset: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
    is_database = "schema" in preset
    if is_database and "path" in mapping:
        raise PresetError(f"the preset {name} reads the tables of a database: give postgres or duckdb, not path")
    if not is_database and not any(place in mapping for place in _PLACES):
        raise PresetError(f"the preset {name} reads files: give their path")
    if not is_database and "schema" in mapping:
        raise PresetError(f"the preset {name} reads files, which have no schema")


def _filled(query: str, schema: str) -> str:
    for name, words in _LISTS.items():
        query = query.replace(name, ", ".join(f"'{word}'" for word in words.split()))
    return query.replace(_SCHEMA, _quoted(schema))


def _quoted(schema: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in schema.split("."))


def described() -> Iterator[tuple[str, str, str]]:
    """Name, extracts and description of each preset, for the documents."""
    for name, preset in presets().items():
        yield name, ", ".join(f"`{extract}`" for extract in preset["extracts"]), " ".join(preset["about"].split())
