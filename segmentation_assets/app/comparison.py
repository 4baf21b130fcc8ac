"""Two days side by side: how the mix changed, who moved, what became of the KPIs.

Here: joining the rows of two days. Not here: why an account moved (`segment_moves`), revenue bridges (`kpis`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

COMPANY = "company"
SHARES = ("nrr", "grr", "logo_retention", "expansion_rate", "healthy_share", "cost_share_of_arr")
"""KPIs compared; each a share of one."""


def mix_change(before: pd.DataFrame, after: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """Accounts and ARR per value of a column of `segments` on both days, and the difference; a last row `all`.

    `order` names the values, all of which have a row.
    """
    sides = []
    for rows, when in ((before, "before"), (after, "after")):
        sums: Any = rows.groupby(column).agg(accounts=("account_id", "size"), arr=("arr", "sum"))
        sides.append(sums.add_suffix(f"_{when}"))
    table: Any = pd.concat(sides, axis=1).reindex(list(order)).fillna(0)
    table.loc["all"] = table.sum()
    for figure, kind in (("accounts", int), ("arr", float)):
        for when in ("before", "after"):
            table[f"{figure}_{when}"] = table[f"{figure}_{when}"].astype(kind)
        table[f"{figure}_change"] = table[f"{figure}_after"] - table[f"{figure}_before"]
    ordered = [f"{figure}_{when}" for figure in ("accounts", "arr") for when in ("before", "after", "change")]
    return table[ordered].rename_axis(column).reset_index()


def who_moved(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Accounts whose segment or tier differs between the days, or that live on one alone; largest ARR first."""
    columns: Any = ["account_id", "account_name", "segment", "coverage_tier", "arr"]
    both: Any = before[columns].merge(after[columns], on="account_id", how="outer", suffixes=("_before", "_after"))
    both["account_name"] = both["account_name_after"].fillna(both["account_name_before"])
    both["what"] = "moved"
    both.loc[both["segment_before"].isna(), "what"] = "new"
    both.loc[both["segment_after"].isna(), "what"] = "gone"
    moved: Any = both[
        (both["what"] != "moved")
        | (both["segment_before"] != both["segment_after"])
        | (both["coverage_tier_before"] != both["coverage_tier_after"])
    ]
    largest = moved[["arr_before", "arr_after"]].max(axis=1)
    ordered = moved.assign(largest=largest).sort_values(["largest", "account_id"], ascending=[False, True])
    pairs = [f"{name}_{when}" for name in ("segment", "coverage_tier", "arr") for when in ("before", "after")]
    return ordered[["account_id", "account_name", "what", *pairs]].reset_index(drop=True)


def kpi_change(before: pd.DataFrame, after: pd.DataFrame, by: str | None = None) -> pd.DataFrame:
    """KPIs of the longest window that both days have, per value of `by` (None: the company), and the difference.

    Takes `tier_kpis` or `company_kpis` of each day. A value that is not known on a day stays unknown in the change.
    """
    shared = set(before["window_months"]) & set(after["window_months"])
    if not shared:
        return pd.DataFrame({name: [] for name in ("of", "kpi", "before", "after", "change")})
    long = [_long(rows, max(shared), by).rename(columns={"value": when})
            for rows, when in ((before, "before"), (after, "after"))]  # fmt: skip
    table: Any = long[0].merge(long[1], on=["of", "kpi"], how="outer", sort=False)
    return table.assign(change=table["after"] - table["before"])


def _long(rows: pd.DataFrame, window: int, by: str | None) -> pd.DataFrame:
    chosen: Any = rows[rows["window_months"] == window]
    chosen = chosen.assign(of=chosen[by] if by else COMPANY)
    return chosen.melt("of", [name for name in SHARES if name in chosen], var_name="kpi", value_name="value")
