"""Colours of the report: Okabe and Ito's set, which stays apart for the common kinds of colour blindness.

Here: which name has which CSS variable, and the placeholders that charts are drawn with before they become those
variables. The values, one set for light and one for dark, stand in `report.css`. Colour never stands alone: bars,
lines and marks carry their names.
"""

from __future__ import annotations

TIERS = {"Strategic": "c1", "Growth": "c2", "Core": "c3", "Long-Tail": "c4", "unassigned": "c6"}
SEGMENTS = {"Strategic": "c1", "Growth": "c2", "Efficient": "c5", "At-Risk": "c7", "Long-Tail": "c4"}

VARIABLES = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "ink", "muted", "line", "card")

# What a chart is drawn with: a colour that occurs nowhere else, replaced by the variable in the finished SVG.
PLACEHOLDERS = {name: f"#0102{i:02x}" for i, name in enumerate(VARIABLES, start=1)}
