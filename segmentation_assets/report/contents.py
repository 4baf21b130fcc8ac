"""The contents of a report: every page's view model, and the data that the page's script draws from.

Here: putting the pages together. Not here: any page (its own module) or the document (`document`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from segmentation_assets.reading.catalogue import CatalogueFacts
from segmentation_assets.reading.figures import PERCENTS, day, formats
from segmentation_assets.report.accounts import account_details, account_index, packed_sets
from segmentation_assets.report.capacity import capacity_page
from segmentation_assets.report.document import chunks
from segmentation_assets.report.evidence import Evidence
from segmentation_assets.report.executive import executive_page
from segmentation_assets.report.movement import MOVES, movement_page, moves
from segmentation_assets.report.portfolio import portfolio_page
from segmentation_assets.report.prediction import prediction_page
from segmentation_assets.report.quality import quality_page
from segmentation_assets.report.renewals import renewals_page
from segmentation_assets.report.tiers import tiers_page
from segmentation_assets.report.week import TASKS, packed_tasks, week_page, week_tasks

PAGES = (
    ("executive", "Executive"),
    ("week", "My week"),
    ("renewals", "Renewals"),
    ("tiers", "Tier KPIs"),
    ("movement", "Movement"),
    ("capacity", "Capacity"),
    ("portfolio", "Portfolios"),
    ("accounts", "Accounts"),
    ("prediction", "Does it predict"),
    ("quality", "Data quality"),
    ("lineage", "Lineage"),
    ("dictionary", "Dictionary"),
)
"""Pages in the order of the navigation: id and name."""

BOARD = ("executive", "tiers", "movement", "renewals", "capacity", "prediction", "quality")
"""The pages that are printed together, for a board. The others are work lists or references."""

_AMOUNTS = ("currency", "currency per year", "currency per month", "currency per hour")
ACCOUNTS_PER_PACK = 100
"""Accounts are packed in groups of this size. Opening one account unpacks one group."""


@dataclass(frozen=True)
class Contents:
    """The input of the document: the pages' view models and the data for the script."""

    model: dict[str, Any]
    packs: dict[str, Any]
    accounts: int


def contents(
    evidence: Evidence,
    catalogue: CatalogueFacts,
    *,
    run: str,
    made_at: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Contents:
    """Make every page. `progress` is called with the name of each part before it is made."""
    model: dict[str, Any] = {
        "pages": PAGES,
        "board": BOARD,
        "as_of": day(evidence.as_of),
        "previous": day(evidence.previous) if evidence.previous else "",
        "newer": day(evidence.newer) if evidence.newer else "",
        "currency": evidence.policy.company.reporting_currency,
        "formats": formats(evidence.policy.company.reporting_currency)
        | {"shares": columns_in(catalogue, PERCENTS), "amounts": columns_in(catalogue, _AMOUNTS)},
        "run": run,
        "made_at": f"{made_at:%Y-%m-%d %H:%M %Z}",
        "policy_hash": evidence.policy.hash,
        "missing": dict(evidence.missing),
    }
    list_of_moves = evidence.attempt("the list of moves", lambda: moves(evidence), [])
    all_tasks = evidence.attempt("the plays that are due", lambda: week_tasks(evidence), [])
    makers: dict[str, Callable[[Evidence], Any]] = {
        "executive": executive_page,
        "week": lambda evidence: week_page(evidence, all_tasks),
        "renewals": renewals_page,
        "tiers": tiers_page,
        "movement": lambda evidence: movement_page(evidence, len(list_of_moves)),
        "capacity": capacity_page,
        "portfolio": portfolio_page,
        "prediction": prediction_page,
        "quality": quality_page,
    }
    for name, make in makers.items():
        progress(f"the page {name}")
        model[name] = evidence.attempt(f"the page {dict(PAGES)[name]}", partial(make, evidence), None)
    progress("the list of accounts")
    index = account_index(evidence, all_tasks)
    progress("the pages of accounts")
    accounts = evidence.attempt("the pages of single accounts", lambda: list(account_details(evidence)), [])
    details = chunks(accounts, ACCOUNTS_PER_PACK)
    where = {account: i for i, each in enumerate(details) for account in each}
    index["packs"] = [where.get(row[0]) for row in index["rows"]]
    packs = {"index": index, "moves": {"columns": MOVES, "rows": list_of_moves}}
    packs["tasks"] = {"columns": TASKS, "rows": packed_tasks(all_tasks)}
    packs["sets"] = packed_sets(evidence, index)
    packs["catalogue"] = {
        "lineage": catalogue.lineage_json,
        "tables": [entry.to_json() for entry in catalogue.entries.values()],
    }
    packs |= {f"accounts-{i}": each for i, each in enumerate(details)}
    return Contents(model, packs, len(index["rows"]))


def columns_in(catalogue: CatalogueFacts, units: Collection[str]) -> list[str]:
    """The columns whose contract has one of these units. The script writes them as percentages, or as amounts."""
    return sorted({c.name for entry in catalogue.entries.values() for c in entry.columns if c.unit in units})
