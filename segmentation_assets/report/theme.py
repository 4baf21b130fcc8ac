"""How every chart looks: colours, type, marks; and turning a chart into an image.

Here: what charts share. Not here: any chart (`plots`). Importing this loads neither Altair nor its converter.

The colours are told apart by colour-blind people too (Okabe and Ito 2008, jfly.uni-koeln.de/color), and no chart says
anything by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

INK = "#1f2933"
FAINT_INK = "#5f6b7a"
RULE = "#d5dae1"
PAPER = "#ffffff"
BLUE, SKY, GREEN, ORANGE, VERMILION, GREY = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#9aa5b1"

SEGMENT_COLOURS = {
    "Strategic": BLUE,
    "Growth": GREEN,
    "Efficient": SKY,
    "At-Risk": VERMILION,
    "Long-Tail": GREY,
}
STATUS_COLOURS = {"met": GREEN, "missed": VERMILION, "no target": GREY, "few accounts": SKY}
GAIN, LOSS, TOTAL = GREEN, VERMILION, BLUE

_FONT = "DejaVu Sans, Verdana, sans-serif"


def themed(chart: Any, title: str, subtitle: str = "") -> Any:
    """A chart with its title and the common look: a top-level chart, to be drawn or put on a page."""
    axis = {
        "labelColor": FAINT_INK, "titleColor": FAINT_INK, "domainColor": RULE, "tickColor": RULE, "gridColor": RULE,
        "gridOpacity": 0.6, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 180,
    }  # fmt: skip
    return (
        chart.properties(
            title={
                "text": title, "subtitle": subtitle, "anchor": "start", "color": INK, "subtitleColor": FAINT_INK,
                "fontSize": 14, "subtitleFontSize": 11, "offset": 12,
            },
            background=PAPER,
        )
        .configure(font=_FONT, padding=12)
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_legend(labelColor=FAINT_INK, titleColor=FAINT_INK, labelFontSize=11, titleFontSize=11)
        .configure_header(labelColor=INK, labelFontSize=12, labelAnchor="start", title=None)
    )  # fmt: skip


@contextmanager
def unchecked() -> Iterator[None]:
    """Charts made within are not held against Altair's schema, part by part: a fifth of the price of each, paid by
    whoever writes one, in its tests.
    """
    from altair.utils.schemapi import debug_mode  # noqa: PLC0415 - loads where a plot is drawn

    with debug_mode(False):
        yield


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an SVG image, made in this process: no browser, no request; sharp at any size, and small."""
    import vl_convert  # noqa: PLC0415 - loads where a plot is drawn

    return vl_convert.vegalite_to_svg(chart.to_dict())
