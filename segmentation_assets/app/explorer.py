"""The explorer's page, run by Streamlit: filter accounts, open one, compare two days.

Here: widgets and layout. Not here: choosing and comparing rows (`filters`, `comparison`), sentences about an account
(`explanations`), text of the data (`plain_text`: every other element here shows the page's own words, numbers, or
cells of a frame).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from segmentation_assets.app.comparison import COMPANY, kpi_change, mix_change, who_moved
from segmentation_assets.app.filters import Filters
from segmentation_assets.app.plain_text import say
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import AT_RISK, MICRO_SEGMENTS, SEGMENTS, TIERS
from segmentation_assets.reading.access import NotPublished, find_table, load
from segmentation_assets.reading.explanations.gathering import Explanation, Score, UnknownAccount, explain
from segmentation_assets.reading.figures import change as signed_money
from segmentation_assets.reading.figures import counted, in_currency, label, money, share, shown
from segmentation_assets.reading.rows import write_csv
from segmentation_assets.settings import Settings, find_settings

ACCOUNTS, COMPARE = "Accounts", "Compare two days"
RENEWALS = {"any time": None, "30 days": 30, "60 days": 60, "90 days": 90, "180 days": 180}
LISTED = {
    "account_id": "account", "account_name": "name", "segment": "segment", "coverage_tier": "tier", "arr": "ARR",
    "health_score": "health", "churn_risk": "churn risk", "days_to_renewal": "renews in days",
    "micro_segment": "micro-segment", "csm_id": "CSM", "lifecycle_stage": "stage", "composite_score": "score",
}  # fmt: skip
_MONEY = st.column_config.NumberColumn(format="localized", step=1)
LOG_ODDS = "churn_risk"
"""The one score whose parts sum to its log-odds, not to itself."""

_TILE = 170
_BESIDE = 3
_KEPT_FRAMES = 24


def main() -> None:
    """The whole page."""
    st.set_page_config(page_title="Accounts", page_icon="◎", layout="wide")
    # The tables' own download would write names as formulas; the one below the table does not.
    st.html("<style>[data-testid=stElementToolbar]{display:none} .block-container{padding-top:4rem}</style>")
    settings = find_settings()
    try:
        days = sorted(find_table("segments", settings.home).days, reverse=True)
    except NotPublished as error:
        say(str(error))
        return
    view = st.radio("View", [ACCOUNTS, COMPARE], horizontal=True, label_visibility="collapsed", key="view")
    with in_currency(load_policy(settings.policy).company.reporting_currency):
        if view == ACCOUNTS:
            show_accounts(settings, days)
        else:
            show_comparison(settings, days)


# -- accounts


def show_accounts(settings: Settings, days: Sequence[date]) -> None:
    """The filtered list of one day, and the account opened from it."""
    day = st.sidebar.selectbox("As of", days, key="as_of", help="The state at the end of this day")
    accounts = accounts_of(settings.home, day)
    chosen_accounts: Any = chosen_filters(accounts).of(accounts)
    at_risk = chosen_accounts[chosen_accounts["segment"] == AT_RISK]
    arr, all_arr = chosen_accounts["arr"].sum(), accounts["arr"].sum()
    health = chosen_accounts["health_score"].mean()
    with st.container(horizontal=True):
        tile("Accounts", f"{len(chosen_accounts):,}", f"of {len(accounts):,}")
        tile("ARR", money(arr), f"{share(arr / all_arr, 0)} of all" if all_arr else "")
        tile("ARR in At-Risk", money(at_risk["arr"].sum()), counted(len(at_risk), "account"))
        tile("Mean health", "–" if pd.isna(health) else f"{health:.0f}", "of 100")
    if chosen_accounts.empty:
        st.info("No account fits all filters. Take one away in the sidebar.")
        return
    listed(chosen_accounts)
    st.download_button("Download as CSV", csv_of(chosen_accounts), f"accounts-{day}.csv", "text/csv", key="download")
    st.divider()
    chosen = st.selectbox(
        "Open an account", chosen_accounts["account_id"].tolist(), index=None, key="account",
        format_func=dict(zip(chosen_accounts["account_id"], names_of(chosen_accounts), strict=True)).__getitem__,
        placeholder="Type an id or a name, or select a row above",
    )  # fmt: skip
    if chosen:
        show_account(settings, chosen, day)


def tile(label: str, figure: str, beside: str) -> None:
    """A figure, and what it is part of."""
    st.metric(label, figure, beside, delta_color="off", delta_arrow="off", width=_TILE)


def chosen_filters(accounts: pd.DataFrame) -> Filters:
    """The filters that the sidebar is set to."""
    side = st.sidebar
    search = side.text_input("Search", key="search", placeholder="id or name")
    segments = side.multiselect("Segment", SEGMENTS, key="segments")
    tiers = side.multiselect("Coverage tier", TIERS, key="tiers")
    micro = side.multiselect("Micro-segment", MICRO_SEGMENTS, key="micro_segments", format_func=label)
    csms = side.multiselect("CSM", sorted(accounts["csm_id"].dropna().unique()), key="csms")
    low, high = side.columns(2)
    least = low.number_input("ARR from", min_value=0, value=None, step=1000, key="min_arr")
    most = high.number_input("ARR to", min_value=0, value=None, step=1000, key="max_arr")
    worst, best = side.slider("Health", 0, 100, (0, 100), key="health")
    renewal = side.selectbox("Renews within", list(RENEWALS), key="renewal")
    return Filters(
        search, tuple(segments), tuple(tiers), tuple(micro), tuple(csms), least, most,
        float(worst) if worst > 0 else None, float(best) if best < 100 else None, RENEWALS[renewal],
    )  # fmt: skip


def listed(accounts: Any) -> None:
    """The list; a row selected there is the account opened below."""
    frame = accounts[list(LISTED)].rename(columns=LISTED).round({"ARR": 0})  # the grid would cut digits off
    frame["micro-segment"] = frame["micro-segment"].map(label, na_action="ignore")
    st.dataframe(
        frame, hide_index=True, height=360, key="list", selection_mode="single-row",
        on_select=lambda: _open(accounts),
        column_config={
            "name": st.column_config.TextColumn(width="medium"),
            "ARR": _MONEY,
            "health": st.column_config.ProgressColumn(format="%.0f", min_value=0, max_value=100),
            "churn risk": st.column_config.NumberColumn(format="percent"),
            "score": st.column_config.NumberColumn(format="%.0f"),
        },
    )  # fmt: skip


def _open(accounts: pd.DataFrame) -> None:
    rows = st.session_state["list"]["selection"]["rows"]
    if rows:
        st.session_state["account"] = accounts["account_id"].iloc[rows[0]]


def names_of(accounts: pd.DataFrame) -> list[str]:
    """What an account is called in a choice."""
    pairs = zip(accounts["account_id"], accounts["account_name"], strict=True)
    return [f"{account} · {name}" if isinstance(name, str) else account for account, name in pairs]


def csv_of(accounts: pd.DataFrame) -> bytes:
    """The list as a file that is safe to open in a spreadsheet."""
    target = io.StringIO()
    frame: Any = accounts[list(LISTED)].astype(object)
    rows = frame.where(frame.notna(), None).values.tolist()
    write_csv(list(LISTED), rows, target)
    return target.getvalue().encode()


# -- one account


def show_account(settings: Settings, account: str, day: date) -> None:
    """Why it is where it is, what its scores are made of, its figures, its moves."""
    try:
        explanation = explain(account, day, home=settings.home, policy=load_policy(settings.policy))
    except (UnknownAccount, NotPublished) as error:
        say(str(error))
        return
    name = explanation.account_name or explanation.account_id
    say(name, tag="h2", style="margin:0; overflow-wrap:anywhere")
    place = f"{explanation.segment} · tier {explanation.coverage_tier}"
    say(f"{explanation.account_id} · {place} · as of {explanation.as_of}")
    why, treatment = st.columns([3, 2], gap="large")
    with why:
        st.markdown("##### Why this segment")
        say(*explanation.segment_reasons)
        st.dataframe(conditions_of(explanation), hide_index=True, height="content", key="conditions")
        st.markdown("##### Why this tier")
        say(*explanation.tier_reasons)
    with treatment:
        st.markdown("##### How it is served")
        st.dataframe(pairs_of(explanation.treatment), hide_index=True, height="content", key="treatment")
    show_scores(explanation.scores)
    st.markdown("##### Figures")
    topics = list(explanation.figures)
    for first in range(0, len(topics), _BESIDE):
        for place, topic in zip(st.columns(_BESIDE), topics[first : first + _BESIDE], strict=False):
            place.caption(topic)
            rows = pairs_of(explanation.figures[topic])
            place.dataframe(rows, hide_index=True, height="content", key=f"figures_{topic}")
    st.markdown("##### Moves")
    if explanation.moves:
        in_words(pd.DataFrame(explanation.moves), "moves")
    else:
        st.caption("No move is published for this account up to this day.")


def show_scores(scores: Sequence[Score]) -> None:
    """All scores, and the parts of the one chosen, which sum to it."""
    if not scores:
        st.caption("No parts of scores are published for this day: `segmentation run --select +score_contributions`.")
        return
    st.markdown("##### Scores")
    summary, parts = st.columns([2, 3], gap="large")
    named = [s.name.replace("_", " ") + (" (log-odds)" if s.name == LOG_ODDS else "") for s in scores]
    totals = pd.DataFrame({"score": named, "total": [round(s.total, 2) for s in scores]})
    summary.dataframe(
        totals,
        hide_index=True,
        height="content",
        key="scores",
        column_config={"total": st.column_config.NumberColumn(format="localized", step=0.01)},
    )
    with parts:
        name = st.selectbox("Parts of", [score.name for score in scores], key="score")
        score = next(each for each in scores if each.name == name)
        st.dataframe(parts_of(score), hide_index=True, height="content", key="parts")
        st.caption(f"The parts sum to {score.total:,.4f}" + (", in log-odds." if name == LOG_ODDS else "."))


def conditions_of(explanation: Explanation) -> pd.DataFrame:
    """The dimensions of the segment's row, and whether the account meets them."""
    marks = {True: "✓", False: "✗", None: "?"}
    return pd.DataFrame(
        [
            {
                "": marks[c.meets],
                "condition": c.dimension,
                "this account": shown(c.value),
                "needed for it": shown(c.needed),
            }
            for c in explanation.conditions
        ]
    )


def parts_of(score: Score) -> pd.DataFrame:
    """The parts of a score, largest first."""
    return pd.DataFrame(
        [
            {"part": p.part.replace("_", " "), "raw": shown(p.raw), "weight": p.weight, "points": p.points}
            for p in score.parts
        ]
    )


def pairs_of(row: Mapping[str, Any]) -> pd.DataFrame:
    """One row, its columns below each other."""
    return pd.DataFrame({"": [name.replace("_", " ") for name in row], "value": [shown(v) for v in row.values()]})


# -- two days


def show_comparison(settings: Settings, days: Sequence[date]) -> None:
    """Mix, ARR by tier, who moved, KPIs: of two days, and the difference."""
    if len(days) < 2:
        st.info("Only one day is published. Run another one to compare: `segmentation run --as-of DAY`.")
        return
    left, right = st.columns(2)
    after_day = right.selectbox("After", days, key="after")
    earlier = [day for day in days if day < after_day]
    if not earlier:
        st.info("No day before this one is published: choose a later one.")
        return
    # Without a key, so that a choice that is no longer earlier is not kept.
    before_day = left.selectbox("Before", earlier, index=earlier.index(default_before(settings.home, earlier)))
    before, after = accounts_of(settings.home, before_day), accounts_of(settings.home, after_day)
    change, moved = after["arr"].sum() - before["arr"].sum(), who_moved(before, after)
    with st.container(horizontal=True):
        st.metric("Accounts", f"{len(after):,}", f"{len(after) - len(before):+,}", width=_TILE)
        st.metric("ARR", money(after["arr"].sum()), signed_money(change), width=_TILE)
        st.metric("Moved, new or gone", f"{len(moved):,}", width=_TILE)
    for column, order, title in (
        ("segment", SEGMENTS, "Segment mix"),
        ("coverage_tier", TIERS, "ARR by coverage tier"),
    ):
        st.markdown(f"##### {title}")
        in_words(mix_change(before, after, column, order), f"mix_{column}")
    st.markdown("##### Who moved")
    if moved.empty:
        st.caption("Nobody: every account has the same segment and tier on both days.")
    else:
        in_words(moved, "moved")
    show_kpis(settings, before_day, after_day)


def in_words(rows: pd.DataFrame, key: str) -> None:
    """Rows under names that people read; amounts in whole units."""
    named: Any = rows.rename(columns=lambda name: name.replace("_", " ").replace("arr", "ARR"))
    money = {name: _MONEY for name in named if name.startswith("ARR ")}
    st.dataframe(named.round(dict.fromkeys(money, 0)), hide_index=True, key=key, column_config=money)


def show_kpis(settings: Settings, before: date, after: date) -> None:
    """KPIs of the company and the tiers on both days, where they were made for both."""
    st.markdown("##### KPIs")
    changes = []
    for table, by in (("company_kpis", None), ("tier_kpis", "coverage_tier")):
        try:
            changes.append(kpi_change(_frame(settings.home, table, before), _frame(settings.home, table, after), by))
        except NotPublished as error:
            say(f"Not on both days: {error}.")
            return
    table: Any = pd.concat(changes, ignore_index=True)
    order = [COMPANY, *TIERS]
    table = table[table["of"].isin(order) & (table["before"].notna() | table["after"].notna())]
    percent = {name: st.column_config.NumberColumn(format="percent") for name in ("before", "after", "change")}
    st.dataframe(table, hide_index=True, key="kpis", column_config=percent)
    st.caption("Of the longest window; tiers are those at its start. Changes are in percentage points.")


def default_before(home: Path, earlier: Sequence[date]) -> date:
    """The last earlier day that was run, not only read by a later one; else the last earlier day."""
    try:
        run_days = set(find_table("segment_mix", home).days)
    except NotPublished:
        run_days = set()
    return next((day for day in earlier if day in run_days), earlier[0])


# -- reading


def accounts_of(home: Path, day: date) -> pd.DataFrame:
    """`segments` of a day with the days to renewal of `account_profiles`, where that was made."""
    segments = _frame(home, "segments", day)
    try:
        profiles: Any = _frame(home, "account_profiles", day)
    except NotPublished:
        return segments.assign(days_to_renewal=pd.array([None] * len(segments), "Int64"))
    return segments.merge(profiles[["account_id", "days_to_renewal"]], on="account_id", how="left")


def _frame(home: Path, table: str, day: date) -> pd.DataFrame:
    """A published table of a day; read again once its file was replaced. Raises NotPublished."""
    [path] = find_table(table, home).of(day)
    return _loaded(str(home), table, day, path.stat().st_mtime_ns)


@st.cache_data(max_entries=_KEPT_FRAMES, show_spinner=False)
def _loaded(home: str, table: str, day: date, stamp: int) -> pd.DataFrame:
    del stamp  # part of what is remembered: another file is another frame
    return load(table, as_of=day, home=home)


if __name__ == "__main__":
    main()
