"""The report's charts as SVG text, drawn once when the report is written.

Here: Altair charts in placeholder colors, which become the page's CSS variables, so that one drawing serves light and
dark. Not here: charts of single accounts (the page's script draws them), or the data of a chart (the pages' modules).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

from segmentation_assets.reading.palette import PLACEHOLDERS

if TYPE_CHECKING:
    import altair as alt

P = ParamSpec("P")

_WIDTH, _HEIGHT = 560, 220
_NARROW = 230
"""Width of the drawing area on a phone; names and figures beside it need the rest."""
_TICKS, _FEW_TICKS = 5, 3
_POINTS_TO, _DAYS_TO = 48, 7
_NAME_HEIGHT = 0.08  # of a chart's range
_FONT = "system-ui, sans-serif"
_BACKGROUND = re.compile(r'<path class="background"[^>]*/>|<rect width="\d+" height="\d+" fill="white"/>')
_ROLES = re.compile(r' (?:role|aria-roledescription|aria-label|aria-hidden|xmlns:xlink)="[^"]*"')
_SIZE = re.compile(r'<svg ([^>]*?)width="([\d.]+)" height="([\d.]+)"')


def for_both_widths(draw: Callable[P, str]) -> Callable[P, str]:
    """A drawing for wide pages and one for phones. The page's style shows the one that fits: nothing is cut off."""

    @wraps(draw)
    def both(*args: P.args, **kwargs: P.kwargs) -> str:
        wide, narrow = draw(*args, **kwargs), draw(*args, **{**kwargs, "is_narrow": True})  # pyright: ignore
        return f'<div class="on-wide">{wide}</div><div class="on-phone">{narrow}</div>' if wide else ""

    return both


@for_both_widths
def lines(
    rows: Sequence[Mapping[str, Any]], *, title: str, description: str, colours: Mapping[str, str], form: str,
    rules: Sequence[Mapping[str, Any]] = (), height: int = _HEIGHT, from_zero: bool = False, is_narrow: bool = False,
) -> str:  # fmt: skip
    """Lines over time. Rows have `day`, `value` and `name`; `rules` are dashed levels with `value` and `text`."""
    alt = _altair()
    time = _time(alt, rows, is_narrow)
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=time,
        y=alt.Y("value:Q", title=None, axis=alt.Axis(format=form, tickCount=_TICKS), scale=alt.Scale(zero=from_zero)),
        color=_colour(alt, colours),
        detail="name:N",
    )
    layers = [base.mark_line(strokeWidth=2.2)]
    if len(rows) <= _POINTS_TO:
        layers.append(base.mark_point(filled=True, size=26, opacity=1))
    if len(colours) > 1:
        ends = alt.Chart(alt.Data(values=_apart(_last_of_each(rows), rows, rules))).encode(
            x=time, y="value:Q", text="name:N", color=_colour(alt, colours)
        )
        layers.append(ends.mark_text(align="left", dx=7, fontSize=11, fontWeight=600))
    if rules:
        levels = alt.Chart(alt.Data(values=list(rules))).encode(y="value:Q")
        layers += [
            levels.mark_rule(strokeDash=[4, 3], color=PLACEHOLDERS["muted"], strokeWidth=1),
            levels.mark_text(align="left", x=4, dy=-6, fontSize=10, color=PLACEHOLDERS["muted"]).encode(
                text="text:N"
            ),
        ]
    named = 84 if len(colours) > 1 else 16
    width = _NARROW if is_narrow else _WIDTH
    return _svg(alt.layer(*layers).properties(width=width, height=height), title, description, named)


@for_both_widths
def over_values(
    rows: Sequence[Mapping[str, Any]], *, title: str, description: str, axis: str, mark: float,
    colours: Mapping[str, str], form: str, is_narrow: bool = False,
) -> str:  # fmt: skip
    """Lines over the values of a number. Rows have `x`, `value` and `name`; `mark` is the value in force."""
    alt = _altair()
    across = alt.X("x:Q", title=axis, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=_FEW_TICKS, grid=False))
    height = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format=form, tickCount=_TICKS))
    base = alt.Chart(alt.Data(values=list(rows))).encode(x=across, y=height, color=_colour(alt, colours))
    last = max(row["x"] for row in rows)
    ends = [row for row in rows if row["x"] == last]
    names = alt.Chart(alt.Data(values=_apart(ends, rows, ()))).encode(
        x="x:Q", y="value:Q", text="name:N", color=_colour(alt, colours)
    )
    today = alt.Chart(alt.Data(values=[{"x": mark}])).encode(x="x:Q")
    drawing = alt.layer(
        today.mark_rule(strokeDash=[4, 3], color=PLACEHOLDERS["muted"]),
        base.mark_line(strokeWidth=2.2),
        base.mark_point(filled=True, size=26, opacity=1),
        names.mark_text(align="left", dx=7, fontSize=11, fontWeight=600),
    )
    return _svg(drawing.properties(width=_NARROW if is_narrow else _WIDTH, height=_HEIGHT), title, description, 84)


@for_both_widths
def stacked(
    rows: Sequence[Mapping[str, Any]], *, title: str, description: str, colours: Mapping[str, str], form: str,
    is_narrow: bool = False,
) -> str:  # fmt: skip
    """One bar per day, stacked by `name`. Rows have `day`, `value`, `name` and `rank`."""
    alt = _altair()
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("day:O", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False)),
        x=alt.X(
            "value:Q",
            title=None,
            stack="zero",
            axis=alt.Axis(format=form, tickCount=_FEW_TICKS if is_narrow else _TICKS),
        ),
        order=alt.Order("rank:Q"),
    )
    bars = base.mark_bar(height={"band": 0.62}, stroke=PLACEHOLDERS["card"], strokeWidth=1).encode(
        color=_colour(alt, colours, list(colours))
    )
    days = len({row["day"] for row in rows})
    width = _NARROW if is_narrow else _WIDTH
    return _svg(bars.properties(width=width, height=max(46 * days, 60)), title, description)


@for_both_widths
def waterfall(rows: Sequence[Mapping[str, Any]], *, title: str, description: str, is_narrow: bool = False) -> str:
    """Steps from a start to an end. Rows have `name`, `low`, `high`, `top`, `text` and `kind` (total, up or down).

    Wide, the steps stand side by side; on a phone they lie below each other.
    """
    alt = _altair()
    colours = {"total": "c6", "up": "c2", "down": "c7"}
    order = [row["name"] for row in rows]
    amount = {"title": None, "scale": alt.Scale(zero=False)}
    colour = _colour(alt, colours, field="kind")
    data = alt.Chart(alt.Data(values=list(rows)))
    if is_narrow:
        base = data.encode(y=alt.Y("name:N", title=None, sort=order, axis=alt.Axis(ticks=False, domain=False)))
        bars = base.mark_bar(height={"band": 0.62}).encode(
            x=alt.X("low:Q", axis=alt.Axis(format="~s", tickCount=_FEW_TICKS), **amount), x2="high:Q", color=colour
        )
        texts = base.mark_text(align="left", dx=5, fontSize=11, fontWeight=600, color=PLACEHOLDERS["ink"]).encode(
            x="top:Q", text="text:N"
        )
        drawing = alt.layer(bars, texts).properties(width=_NARROW - 40, height=30 * max(len(rows), 1))
        return _svg(drawing, title, description, 56)
    base = data.encode(
        x=alt.X("name:N", title=None, sort=order, axis=alt.Axis(labelAngle=0, ticks=False, labelLimit=90))
    )
    bars = base.mark_bar(width={"band": 0.62}).encode(
        y=alt.Y("low:Q", axis=alt.Axis(format="~s", tickCount=_TICKS), **amount), y2="high:Q", color=colour
    )
    texts = base.mark_text(dy=-7, fontSize=11, fontWeight=600, color=PLACEHOLDERS["ink"]).encode(
        y="top:Q", text="text:N"
    )
    return _svg(alt.layer(bars, texts).properties(width=_WIDTH + 40, height=_HEIGHT), title, description)


@for_both_widths
def bullets(rows: Sequence[Mapping[str, Any]], *, title: str, description: str, is_narrow: bool = False) -> str:
    """Available (bar) and needed (mark). Rows have `name`, `there`, `needed`, `most` and `text`."""
    alt = _altair()
    order = [row["name"] for row in rows]
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("name:N", title=None, sort=order, axis=alt.Axis(ticks=False, domain=False, labelFontSize=12))
    )
    there = base.mark_bar(height={"band": 0.5}, color=PLACEHOLDERS["c1"]).encode(
        x=alt.X("there:Q", title="FTE", axis=alt.Axis(tickCount=_FEW_TICKS if is_narrow else _TICKS + 1))
    )
    needed = base.mark_tick(thickness=3, size=26, color=PLACEHOLDERS["ink"]).encode(x="needed:Q")
    texts = base.mark_text(align="left", dx=8, fontSize=11, color=PLACEHOLDERS["ink"]).encode(
        x="most:Q", text="text:N"
    )
    width, right = (_NARROW - 70, 80) if is_narrow else (_WIDTH, 16)
    drawing = alt.layer(there, needed, texts).properties(width=width, height=46 * max(len(rows), 1))
    return _svg(drawing, title, description, right)


def _altair() -> Any:
    import altair as alt  # noqa: PLC0415 - takes a second, and only a report needs it

    return alt


def _time(alt: Any, rows: Sequence[Mapping[str, Any]], is_narrow: bool) -> alt.X:
    """The time axis: every day if there are few, else months."""
    days = sorted({row["day"] for row in rows})
    axis: dict[str, Any] = {"grid": False, "labelOverlap": True}
    if len(days) <= (_FEW_TICKS if is_narrow else _DAYS_TO):
        return alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b %y", values=days, **axis))
    return alt.X(
        "day:T", title=None, axis=alt.Axis(format="%b %y", tickCount=_FEW_TICKS if is_narrow else _TICKS + 1, **axis)
    )


def _apart(
    ends: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The ends of lines, moved apart so that their names do not overlap."""
    values = [each["value"] for each in (*rows, *rules) if each["value"] is not None]
    gap = (max(values) - min(values)) * _NAME_HEIGHT
    moved: list[Mapping[str, Any]] = []
    for end in sorted(ends, key=lambda end: end["value"]):
        lowest = moved[-1]["value"] + gap if moved else end["value"]
        moved.append({**end, "value": max(end["value"], lowest)})
    return moved


def _colour(alt: Any, colours: Mapping[str, str], domain: list[str] | None = None, field: str = "name") -> alt.Color:
    names = domain or list(colours)
    scale = alt.Scale(domain=names, range=[PLACEHOLDERS[colours[name]] for name in names])
    return alt.Color(f"{field}:N", scale=scale, legend=None)


def _last_of_each(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    valued = [row for row in rows if row["value"] is not None]
    return list({row["name"]: row for row in sorted(valued, key=lambda row: row["day"])}.values())


def _svg(chart: Any, title: str, description: str, right: int = 16) -> str:
    """Draw a chart; replace its colors and size by the page's, and add title and description for screen readers."""
    import vl_convert  # noqa: PLC0415 - only a report needs it

    muted, line = PLACEHOLDERS["muted"], PLACEHOLDERS["line"]
    axis = {"labelColor": muted, "titleColor": muted, "gridColor": line, "domainColor": line, "tickColor": line}
    spec = chart.configure(
        background="transparent", font=_FONT, padding={"left": 4, "right": right, "top": 8, "bottom": 4}
    )
    spec = spec.configure_view(stroke=None).configure_axis(labelFontSize=11, **axis).to_dict(validate=False)
    svg = vl_convert.vegalite_to_svg(spec)
    svg = _ROLES.sub("", _BACKGROUND.sub("", svg))
    for name, colour in PLACEHOLDERS.items():
        svg = svg.replace(colour, f"var(--{name})")
    texts = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    head, _, body = svg.partition(">")
    head = _SIZE.sub(r'<svg \1role="img" data-width="\2"', head + ">")
    return f"{head}{texts}{body}"
