"""The document: view models and data in, one HTML file as text out, which can send no request.

Here: templates, inlining of style and script, packing of data, the content security policy. Not here: the content of
a page (the pages' modules) or where the file goes (`publishing`).

Jinja2 escapes all text from data, or it goes through JSON into text nodes. JSON is packed with gzip and base64, so
that no text in it can end its script element.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from segmentation_assets.reading import figures
from segmentation_assets.reading.palette import style_variables
from segmentation_assets.report.evidence import Evidence

_TEMPLATES = Path(__file__).with_name("templates")
_EASY, _HARD = 6, 9
_MANY = 2_000_000


def render(model: Mapping[str, Any], packs: Mapping[str, Any], evidence: Evidence) -> str:
    """The whole document. `packs` is the data for the script, by the id of its element.

    A page that cannot be rendered is replaced by a notice, and the error is added to the faults of the evidence.
    """
    script, style = _text("report.js"), style_variables() + _text("report.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        environment()
        .get_template("report.html")
        .render(
            **model,
            sections={name: _section(name, title, model, evidence) for name, title in model["pages"]},
            faults=tuple(evidence.faults),
            formats_json=Markup(_in_script(model["formats"])),  # noqa: S704 - JSON without a `<`
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            script_digest=digest,
            packs={name: packed(value) for name, value in packs.items()},
        )
    )


def _section(name: str, title: str, model: Mapping[str, Any], evidence: Evidence) -> Markup:
    """A page's HTML; a notice instead if its model or its template failed."""
    pages = environment()
    failed = pages.get_template("page_failed.html").render(name=name, title=title)
    if name in model and model[name] is None:
        return Markup(failed)  # noqa: S704 - Jinja2 has escaped its texts
    text = evidence.attempt(
        f"the page {title}", lambda: pages.get_template(f"page_{name}.html").render(**model), failed
    )
    return Markup(text)  # noqa: S704 - as above


def _in_script(value: Any) -> str:
    """JSON without a text that could end the script element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def packed(value: Any) -> str:
    """A value as JSON, compressed, in base64. The same value always packs to the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False).encode()
    level = _EASY if len(text) > _MANY else _HARD
    return base64.b64encode(gzip.compress(text, level, mtime=0)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value for a report")


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """The templates of the report; they escape all texts."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for name in ("money", "exact", "change", "share", "points", "number", "day", "label"):
        templates.filters[name] = getattr(figures, name)
    templates.filters["svg"] = _svg
    templates.filters["css"] = _css
    return templates


def _svg(text: str) -> Markup:
    """A drawing of `charts`; the library that drew it has escaped its texts."""
    return Markup(text)  # noqa: S704


def _css(text: str) -> Markup:
    """Our own style; no text from data is in it."""
    return Markup(text)  # noqa: S704


def chunks(values: Iterable[tuple[str, Any]], size: int) -> list[dict[str, Any]]:
    """The pairs in order, in dictionaries of at most `size` entries."""
    parts: list[dict[str, Any]] = [{}]
    for key, value in values:
        if len(parts[-1]) >= size:
            parts.append({})
        parts[-1][key] = value
    return parts
