"""The contents of a report: every page's view model, and the data that the page's script draws from.

Here: putting the pages together. Not here: any page (its own module) or the document (`document`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from segmentation_assets.report.accounts import account_index
from segmentation_assets.report.evidence import Evidence
from segmentation_assets.report.executive import executive_page
from segmentation_assets.report.figures import day
from segmentation_assets.report.tiers import tiers_page

PAGES = (
    ("executive", "Executive"),
    ("tiers", "Tier KPIs"),
    ("accounts", "Accounts"),
)
"""Pages in the order of the navigation: id and name."""


@dataclass(frozen=True)
class Contents:
    """What the document is rendered from."""

    model: dict[str, Any]
    packs: dict[str, Any]
    accounts: int


def contents(
    evidence: Evidence, *, run: str, made_at: datetime, progress: Callable[[str], None] = lambda _: None
) -> Contents:
    """Make every page. `progress` hears what is being made."""
    model: dict[str, Any] = {
        "pages": PAGES,
        "as_of": day(evidence.as_of),
        "previous": day(evidence.previous) if evidence.previous else "",
        "currency": evidence.policy.company.reporting_currency,
        "run": run,
        "made_at": f"{made_at:%Y-%m-%d %H:%M %Z}",
        "policy_hash": evidence.policy.hash,
        "missing": dict(evidence.missing),
    }
    for name, make in (("executive", executive_page), ("tiers", tiers_page)):
        progress(f"the page {name}")
        model[name] = make(evidence)
    progress("accounts")
    index = account_index(evidence)
    return Contents(model, {"index": index}, len(index["rows"]))
