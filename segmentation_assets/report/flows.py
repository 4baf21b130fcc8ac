"""Flows between coverage tiers as a drawing: two columns of bars, with a band for each pair of tiers.

Here: the geometry, as SVG text with the page's color variables. Not here: which accounts moved (`movement`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from segmentation_assets.reading.palette import TIERS

_HEIGHT, _BAR, _GAP = 300, 14, 10
_WIDE, _NARROW = (620, 150), (330, 96)
"""Width of the drawing and of the names at each side: on a wide page, and on a phone."""
_LEAST = 1.5  # so that a band of one account is visible
_OUTSIDE = "c6"


def flows_svg(
    counts: Mapping[tuple[str, str], int], rows: Sequence[tuple[str, str]], columns: Sequence[tuple[str, str]],
    title: str, description: str,
) -> str:  # fmt: skip
    """Draw `counts` by (from, to), for wide pages and for phones; empty if nothing moved.

    `rows` and `columns` are names with labels, in order from the top.
    """
    if not sum(counts.get((of, to), 0) for of, _ in rows for to, _ in columns):
        return ""
    wide, narrow = (_drawing(counts, rows, columns, title, description, *size) for size in (_WIDE, _NARROW))
    return f'<div class="on-wide">{wide}</div><div class="on-phone">{narrow}</div>'


def _drawing(
    counts: Mapping[tuple[str, str], int], rows: Sequence[tuple[str, str]], columns: Sequence[tuple[str, str]],
    title: str, description: str, width: int, label_width: int,
) -> str:  # fmt: skip
    left = {name: sum(counts.get((name, to), 0) for to, _ in columns) for name, _ in rows}
    right = {name: sum(counts.get((of, name), 0) for of, _ in rows) for name, _ in columns}
    total = sum(left.values())
    gaps = _GAP * max(len(rows), len(columns))
    unit = (_HEIGHT - gaps) / total
    x0, x1 = label_width, width - label_width
    at, to = _stack(rows, left, unit), _stack(columns, right, unit)
    drawn = [f'<svg viewBox="0 0 {width} {_HEIGHT}" role="img" class="flows">'
             f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"]  # fmt: skip
    used_left, used_right = dict.fromkeys(left, 0.0), dict.fromkeys(right, 0.0)
    for of, _ in rows:
        for name, _ in columns:
            count = counts.get((of, name), 0)
            if not count:
                continue
            height = count * unit
            y0, y1 = at[of] + used_left[of], to[name] + used_right[name]
            used_left[of] += height
            used_right[name] += height
            drawn.append(_band(x0 + _BAR, y0, x1, y1, max(height, _LEAST), TIERS.get(of, _OUTSIDE), of == name,
                               f"{of} to {name}: {count}"))  # fmt: skip
    for names, places, sizes, x, anchor in ((rows, at, left, x0, "end"), (columns, to, right, x1, "start")):
        for name, label in names:
            if not sizes[name]:
                continue
            height = max(sizes[name] * unit, _LEAST)
            shift = -8 if anchor == "end" else _BAR + 8
            drawn.append(
                f'<rect x="{x:.1f}" y="{places[name]:.1f}" width="{_BAR}" height="{height:.1f}" rx="2" '
                f'fill="var(--{TIERS.get(name, _OUTSIDE)})"/>'
                f'<text x="{x + shift:.1f}" y="{places[name] + height / 2 + 4:.1f}" text-anchor="{anchor}">'
                f"{escape(label)} {sizes[name]:,}</text>"
            )
    return "".join([*drawn, "</svg>"])


def _stack(names: Sequence[tuple[str, str]], sizes: Mapping[str, int], unit: float) -> dict[str, float]:
    places, y = {}, _GAP / 2
    for name, _ in names:
        places[name] = y
        y += sizes[name] * unit + (_GAP if sizes[name] else 0)
    return places


def _band(x0: float, y0: float, x1: float, y1: float, height: float, colour: str, stays: bool, text: str) -> str:
    middle = (x0 + x1) / 2
    low0, low1 = y0 + height, y1 + height
    path = (
        f"M{x0:.1f},{y0:.1f}C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
        f"V{low1:.1f}C{middle:.1f},{low1:.1f} {middle:.1f},{low0:.1f} {x0:.1f},{low0:.1f}Z"
    )
    opacity = 0.18 if stays else 0.55
    return f'<path d="{path}" fill="var(--{colour})" fill-opacity="{opacity}"><title>{escape(text)}</title></path>'
