"""The colors of all faces: the report, plots in Dagster, the explorer, workbooks.

Here: the values for light, dark and print, their uses, and the style sheet's variables. Not here: other looks of a
chart (`report.theme`, `report.charts`).

The colors of groups are the set of Okabe and Ito (2008, jfly.uni-koeln.de/color), which people with the common kinds
of color blindness can tell apart. They are darker on white and lighter on black than the original, for contrast.
A color is never the only sign: bars, lines and marks have their names.
"""

from __future__ import annotations

from collections.abc import Mapping

BLUE, GREEN, AMBER, GREY, SKY, SLATE, VERMILION = "c1", "c2", "c3", "c4", "c5", "c6", "c7"
INK, MUTED, LINE, CARD, SOFT = "ink", "muted", "line", "card", "soft"

LIGHT: Mapping[str, str] = {
    "paper": "#f7f7f5", CARD: "#ffffff", INK: "#1a1d21", MUTED: "#5b636d", LINE: "#dcdfe3", SOFT: "#eef0f2",
    "link": "#005a8f", "focus": "#005a8f", "good": "#006b4a", "bad": "#a63f00", "same": "#5b636d",
    BLUE: "#0072b2", GREEN: "#009e73", AMBER: "#d18f00", GREY: "#8a939e", SKY: "#56b4e9", SLATE: "#5b636d",
    VERMILION: "#d55e00",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "paper": "#121417", CARD: "#1a1d21", INK: "#e8eaed", MUTED: "#a3abb5", LINE: "#333941", SOFT: "#23272d",
    "link": "#7cc4f5", "focus": "#7cc4f5", "good": "#4fd1a5", "bad": "#ff9d5c", "same": "#a3abb5",
    BLUE: "#4ba3e3", GREEN: "#2fbf93", AMBER: "#e6a817", GREY: "#87919d", SKY: "#8fd0f7", SLATE: "#a3abb5",
    VERMILION: "#f0823a",
}  # fmt: skip
PRINT: Mapping[str, str] = {
    **LIGHT, "paper": "#ffffff", INK: "#000000", MUTED: "#444444", LINE: "#bbbbbb", SOFT: "#f1f1f1",
    "link": "#000000",
}  # fmt: skip

TIERS = {"Strategic": BLUE, "Growth": GREEN, "Core": AMBER, "Long-Tail": GREY, "unassigned": SLATE}
SEGMENTS = {"Strategic": BLUE, "Growth": GREEN, "Efficient": SKY, "At-Risk": VERMILION, "Long-Tail": GREY}
STATUSES = {"met": GREEN, "missed": VERMILION, "no target": GREY, "few accounts": SKY}
GAIN, LOSS, TOTAL = GREEN, VERMILION, BLUE

VARIABLES = (BLUE, GREEN, AMBER, GREY, SKY, SLATE, VERMILION, INK, MUTED, LINE, CARD)

# Charts are drawn in these colors, which occur nowhere else. The finished SVG gets the variables instead.
PLACEHOLDERS = {name: f"#0102{i:02x}" for i, name in enumerate(VARIABLES, start=1)}


def style_variables() -> str:
    """The colours as CSS variables, for light, dark and print."""
    dark = ':root[data-theme="dark"]'
    return "\n".join(
        (
            _rule(":root", LIGHT, "light"),
            _rule(dark, DARK, "dark"),
            f"@media print {{ {_rule(f':root, {dark}', PRINT, 'light')} }}\n",
        )
    )


def _rule(selector: str, colours: Mapping[str, str], scheme: str) -> str:
    values = " ".join(f"--{name}: {value};" for name, value in colours.items())
    return f"{selector} {{ {values} color-scheme: {scheme}; }}"
