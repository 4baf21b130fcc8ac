"""Policy sections on segments, coverage tiers, micro-segments and stability, one per table that reads it.

Here: the names of segments and tiers, the segment matrix, tier rules, how moves are slowed, and what follows from a
segment. Not here: capacity (`capacity`), plays, or the scores that the rules read.
"""

from __future__ import annotations

SEGMENTS = ("Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail")
"""Also the CRM's picklist, and the table's order: ties go to the one named first."""

AT_RISK = "At-Risk"

TIERS = ("Strategic", "Growth", "Core", "Long-Tail")
"""Coverage tiers, most care first."""

MICRO_SEGMENTS = ("expansion_ready", "at_risk", "advocate", "stable")
