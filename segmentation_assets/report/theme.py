"""The look of the plots in Dagster: fonts, axes, background; and turning a chart into an image.

Here: what plots share. Not here: any plot (`plots`), colors (`reading.palette`). Importing this loads neither Altair
nor its converter.
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
    """The chart with a title and the common look; the result is a top-level chart."""
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
    """Altair does not validate charts made within this block. Validation takes a fifth of the time; tests do it."""
    from altair.utils.schemapi import debug_mode  # noqa: PLC0415 - only a plot needs it

    with debug_mode(False):
        yield


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an SVG image, without a browser or a request."""
    import vl_convert  # noqa: PLC0415 - only a plot needs it

    return vl_convert.vegalite_to_svg(chart.to_dict())
