"""How every chart that stands alone looks: type, axes, paper; and turning a chart into an image.

Here: what charts share. Not here: any chart (`plots`), colours (`palette`). Importing this loads neither Altair nor
its converter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from segmentation_assets.reading.palette import CARD, INK, LIGHT, LINE, MUTED

if TYPE_CHECKING:
    import altair as alt

_FONT = "DejaVu Sans, Verdana, sans-serif"


def themed(chart: Any, title: str, subtitle: str = "") -> Any:
    """A chart with its title and the common look: a top-level chart, to be drawn or put on a page."""
    ink, muted, line = LIGHT[INK], LIGHT[MUTED], LIGHT[LINE]
    axis = {
        "labelColor": muted, "titleColor": muted, "domainColor": line, "tickColor": line, "gridColor": line,
        "gridOpacity": 0.6, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 180,
    }  # fmt: skip
    return (
        chart.properties(
            title={
                "text": title, "subtitle": subtitle, "anchor": "start", "color": ink, "subtitleColor": muted,
                "fontSize": 14, "subtitleFontSize": 11, "offset": 12,
            },
            background=LIGHT[CARD],
        )
        .configure(font=_FONT, padding=12)
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_legend(labelColor=muted, titleColor=muted, labelFontSize=11, titleFontSize=11)
        .configure_header(labelColor=ink, labelFontSize=12, labelAnchor="start", title=None)
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
