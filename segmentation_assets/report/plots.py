"""One plot per table that is better seen than read: a frame of a published table in, an Altair chart out.

Here: plots that stand by themselves, in Dagster's asset pages or on a page of the report. Not here: their look
(`theme`), reading the tables, computing any figure: what is drawn, the table says. Altair loads with the first plot.

Each function takes the rows of one `as_of` (series: of several) as `load` gives them, and raises NothingToDraw, with
a sentence for the reader, where the rows hold nothing to be seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import change, counted, money, share
from segmentation_assets.report import theme

if TYPE_CHECKING:
    import altair as alt

_WIDTH = 460
_ROW = 26
_SHORT_WIDTH = 200
_MOST_DAYS = 12
_LIGHT = palette.LIGHT
_SEGMENT_COLOURS = {name: _LIGHT[colour] for name, colour in palette.SEGMENTS.items()}
_STATUS_COLOURS = {name: _LIGHT[colour] for name, colour in palette.STATUSES.items()}
_LABEL = {"fontSize": 11, "color": _LIGHT[palette.INK]}


class NothingToDraw(ValueError):
    """The rows have nothing to draw. The message is shown instead of the plot."""


def segment_mix(mix: pd.DataFrame) -> alt.TopLevelMixin:
    """`segment_mix`: accounts and ARR by segment on the latest day; of several days, the last twelve side by side."""
    alt = _altair()
    rows: Any = mix[mix["accounts"] > 0]
    if rows.empty:
        raise NothingToDraw("No account was live, so there is no mix of segments to show.")
    last = rows["as_of"].max()
    now: Any = rows[rows["as_of"] == last].assign(
        label=lambda f: _counted(f["accounts"]) + " · " + _percent(f["arr_share"])
    )
    bars = _bars(
        now,
        "segment",
        SEGMENTS,
        "arr",
        "ARR (accounts · share of ARR)",
        _SEGMENT_COLOURS,
        width=_SHORT_WIDTH + 60,
    )
    days = sorted(rows["as_of"].unique())[-_MOST_DAYS:]
    title, total = (
        "Segment mix",
        f"{_day(last)}: {counted(int(now['accounts'].sum()), 'account')}, ARR {money(now['arr'].sum())}",
    )
    if len(days) == 1:
        return theme.themed(bars, title, total)
    series: Any = rows[rows["as_of"].isin(days)].assign(
        day=lambda f: f["as_of"].map(_day), place=lambda f: f["segment"].map(list(SEGMENTS).index)
    )
    past = (
        alt.Chart(series[["day", "segment", "arr_share", "place"]])
        .mark_bar(stroke=_LIGHT[palette.CARD], strokeWidth=0.5)
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("arr_share:Q", title="share of ARR", axis=alt.Axis(format=".0%")),
            color=_colour("segment", SEGMENTS, _SEGMENT_COLOURS),
            order=alt.Order("place:Q", sort="descending"),
        )
        .properties(width=_SHORT_WIDTH + 40, height=_ROW * len(SEGMENTS))
    )
    return theme.themed(bars | past, title, total)


def segments_by_tier(segments: pd.DataFrame) -> alt.TopLevelMixin:
    """`segments`: accounts and ARR in each pair of segment and coverage tier."""
    alt = _altair()
    if segments.empty:
        raise NothingToDraw("No account was live, so no segment and tier to show.")
    cells: Any = segments.groupby(["segment", "coverage_tier"], as_index=False).agg(
        accounts=("arr", "size"), arr=("arr", "sum")
    )
    cells["label"] = _counted(cells["accounts"]) + " · " + cells["arr"].map(money)
    chart = _matrix(alt, cells, ("segment", SEGMENTS), ("coverage_tier", TIERS), "arr")
    return theme.themed(
        chart, "Accounts · ARR, segment by coverage tier", _as_of(segments) + f": {len(segments):,} accounts"
    )


def tier_retention(tiers: pd.DataFrame) -> alt.TopLevelMixin:
    """`tier_kpis`: NRR and GRR by the tier at the start of the longest window, each with its target (or range)."""
    alt = _altair()
    window: Any = tiers[tiers["window_months"] == tiers["window_months"].max()]
    window: Any = window[window["coverage_tier"].isin(TIERS) & window["nrr"].notna()]
    if window.empty:
        raise NothingToDraw("No tier had accounts at the start of the window: retention is not known yet.")
    rows: Any = pd.concat([_retention(window, "nrr"), _retention(window, "grr")], ignore_index=True)
    statuses = tuple(status for status in _STATUS_COLOURS if (rows["status"] == status).any())
    start = alt.Y("tier:N", sort=list(TIERS), title=None)
    share = alt.X("value:Q", title=None, axis=alt.Axis(format=".0%"), scale=alt.Scale(domainMin=0))
    drawn = alt.Chart(rows)
    layers = alt.layer(
        drawn.mark_bar(color=_LIGHT[palette.LINE], height=18).encode(
            x=alt.X("target:Q"), x2="target_high:Q", y=start
        ),
        drawn.mark_bar(height=10).encode(x=share, y=start, color=_colour("status", statuses, _STATUS_COLOURS)),
        drawn.mark_tick(color=_LIGHT[palette.INK], thickness=2, height=18).encode(x="target:Q", y=start),
        drawn.mark_text(align="left", dx=4, **_LABEL).encode(x=alt.X("right:Q"), y=start, text="label:N"),
    )
    chart = layers.properties(width=_SHORT_WIDTH + 60, height=_ROW * window["coverage_tier"].nunique()).facet(
        column=alt.Column("measure:N", sort=["NRR", "GRR"]), spacing=24
    )
    months, begin = int(window["window_months"].iloc[0]), _day(window["starts_on"].iloc[0])
    return theme.themed(
        chart,
        "Retention by the tier at the start",
        f"{months} months from {begin}; black: the target it should reach",
    )


def arr_bridge(company: pd.DataFrame) -> alt.TopLevelMixin:
    """`company_kpis`: from the ARR at the start of the longest window to the ARR at its end, and what moved it."""
    rows: Any = company[company["window_months"] == company["window_months"].max()] if len(company) else company
    if rows.empty or pd.isna(rows["start_arr"].iloc[0]) or not rows["start_arr"].iloc[0]:
        raise NothingToDraw("There was no ARR at the start of the window, so there is no bridge to draw.")
    row = rows.iloc[0]
    steps = [
        ("start", row["start_arr"]), ("new", row["new_arr"]), ("expansion", row["expansion_arr"]),
        ("reactivation", row["reactivated_arr"]), ("contraction", -row["contraction_arr"]),
        ("churn", -row["churned_arr"]), ("exchange", row["fx_arr"]), ("end", row["end_arr"]),
    ]  # fmt: skip
    subtitle = f"{int(row['window_months'])} months, {_day(row['starts_on'])} to {_day(row['as_of'])}"
    return theme.themed(_bridge(steps, "ARR"), "ARR bridge", subtitle)


def mrr_bridge(movements: pd.DataFrame) -> alt.TopLevelMixin:
    """`revenue_movements`: from last month's MRR to this month's, and what moved it."""
    if movements.empty:
        raise NothingToDraw("No account pays, and none paid at the end of last month, so MRR did not change.")
    total: Any = movements.filter(like="_mrr").sum()
    steps = [
        ("start", total["start_mrr"]), ("new", total["new_mrr"]), ("expansion", total["expansion_mrr"]),
        ("reactivation", total["reactivated_mrr"]), ("contraction", -total["contraction_mrr"]),
        ("churn", -total["churned_mrr"]), ("exchange", total["fx_mrr"]), ("end", total["end_mrr"]),
    ]  # fmt: skip
    subtitle = f"{movements['month'].iloc[0]:%B %Y} up to {_as_of(movements)}"
    return theme.themed(_bridge(steps, "MRR"), "MRR bridge of the month", subtitle)


def moves_by_direction(moves: pd.DataFrame) -> alt.TopLevelMixin:
    """`segment_moves`: how many accounts moved, by kind and direction, and the ARR that moved with them."""
    if moves.empty:
        raise NothingToDraw("No account moved since the Monday before.")
    counted: Any = moves.groupby(["kind", "direction"], as_index=False).agg(
        accounts=("account_id", "nunique"), arr=("arr_after", "sum")
    )
    counted["way"] = counted["kind"] + ": " + counted["direction"].str.replace("_", " ")
    counted["label"] = _counted(counted["accounts"]) + " · " + counted["arr"].map(money)
    counted["worse"] = counted["direction"].isin(["down", "into_risk"]).map({True: "worse", False: "better"})
    colours = {"better": _LIGHT[palette.GAIN], "worse": _LIGHT[palette.LOSS]}
    order = counted.sort_values("accounts", ascending=False)["way"].tolist()
    chart = _bars(counted, "way", order, "accounts", "accounts", colours, colour_by="worse", whole=True)
    return theme.themed(chart, "Moves since the Monday before", f"{_as_of(moves)}: accounts · ARR")


def tier_flows(migration: pd.DataFrame) -> alt.TopLevelMixin:
    """`tier_migration`: accounts from each tier to each in three months."""
    alt = _altair()
    rows: Any = migration[migration["accounts"] > 0]
    if rows.empty:
        raise NothingToDraw("No account was in any tier at the start or at the end.")
    places = [*TIERS, *(p for p in ("unassigned", "not_live") if p in {*rows["from_tier"], *rows["to_tier"]})]
    cells: Any = rows.assign(label=_counted(rows["accounts"]) + " · " + _money_of(rows))
    chart = _matrix(alt, cells, ("from_tier", places), ("to_tier", places), "accounts")
    subtitle = (
        f"{_day(rows['starts_on'].iloc[0])} to {_as_of(rows)}: accounts · ARR at the start (new ones: at the end)"
    )
    return theme.themed(chart, "From which tier (rows) to which (columns)", subtitle)


def people_needed(plan: pd.DataFrame) -> alt.TopLevelMixin:
    """`capacity_plan`: people needed and available, by tier, with the gap in words."""
    alt = _altair()
    rows: Any = plan[plan["required_fte"].notna() | plan["available_fte"].notna()]
    if rows.empty:
        raise NothingToDraw(
            "Neither the people needed nor the people available are known, so there is no plan to draw."
        )
    both: Any = rows.melt(
        ["coverage_tier", "gap_fte"], ["required_fte", "available_fte"], var_name="what", value_name="fte"
    ).assign(what=lambda f: f["what"].map({"required_fte": "needed", "available_fte": "there"}))
    both: Any = both[both["fte"].notna()]
    both["label"] = both["fte"].map("{:.2f}".format) + both.apply(_gap_in_words, axis=1)
    drawn = alt.Chart(both)
    tier = alt.Y("coverage_tier:N", sort=list(TIERS), title=None)
    what = alt.YOffset("what:N", sort=["needed", "there"])
    chart = alt.layer(
        drawn.mark_bar().encode(
            x=alt.X("fte:Q", title="people of a full week"),
            y=tier,
            yOffset=what,
            color=_colour(
                "what", ("needed", "there"), {"needed": _LIGHT[palette.AMBER], "there": _LIGHT[palette.BLUE]}
            ),
        ),
        drawn.mark_text(align="left", dx=4, **_LABEL).encode(x="fte:Q", y=tier, yOffset=what, text="label:N"),
    ).properties(width=_WIDTH, height=2 * _ROW * rows["coverage_tier"].nunique())
    need, is_known = rows["required_fte"].sum(), rows["available_fte"].notna().all()
    available = f"{rows['available_fte'].sum():.2f} available" if is_known else "available not known (no CSM roster)"
    return theme.themed(chart, "People needed and available", f"{_as_of(rows)}: {need:.2f} needed, {available}")


def quality_scores(quality: pd.DataFrame) -> alt.TopLevelMixin:
    """`data_quality`: the score of each extract, the worst first; stale and missing ones say so."""
    scored: Any = quality[quality["quality_score"].notna()]
    judged: Any = scored.sort_values("quality_score")
    if judged.empty:
        raise NothingToDraw("No extract has any row by this day, so there is no quality to show.")
    stale: Any = judged["is_stale"].fillna(False).astype(bool)
    judged: Any = judged.assign(
        state=stale.map({True: "stale", False: "fresh"}),
        label=judged["quality_score"].map("{:.1f}".format)
        + stale.map({True: " · stale", False: ""})
        + judged["quarantined_rows"].map(lambda n: f" · {n:,} refused" if n else ""),
    )
    colours = {"fresh": _LIGHT[palette.BLUE]} | ({"stale": _LIGHT[palette.VERMILION]} if stale.any() else {})
    chart = _bars(judged, "extract", judged["extract"].tolist(), "quality_score", "score, 0 to 100", colours,
                  colour_by="state", row=17, top=100)  # fmt: skip
    missing = quality[quality["quality_score"].isna()]["extract"].tolist()
    subtitle = f"{_as_of(judged)}: completeness, freshness and refused rows"
    return theme.themed(
        chart, "Data quality by extract", subtitle + (f"; no rows: {', '.join(missing)}" * bool(missing))
    )


def renewals_ahead(forecast: pd.DataFrame) -> alt.TopLevelMixin:
    """`renewal_forecast`: ARR due for renewal in each of the next quarters, and the expected loss."""
    alt = _altair()
    due: Any = forecast.groupby("quarter_start", as_index=False)[["arr_due", "arr_at_risk"]].sum()
    due: Any = due[due["arr_due"] > 0]
    if due.empty:
        raise NothingToDraw("No renewal is due in the quarters ahead.")
    due["quarter"] = due["quarter_start"].map(lambda d: f"{d.year} Q{d.quarter}")
    due["label"] = (
        due["arr_due"].map(money) + " · " + _percent(due["arr_at_risk"] / due["arr_due"]) + " expected loss"
    )
    due["likely"] = due["arr_due"] - due["arr_at_risk"]
    parts: Any = due.melt(
        ["quarter", "label", "arr_due"], ["likely", "arr_at_risk"], var_name="part", value_name="arr"
    )
    parts["part"] = parts["part"].map({"likely": "likely to renew", "arr_at_risk": "expected loss"})
    quarter = alt.Y("quarter:N", title=None)
    chart = alt.layer(
        alt.Chart(parts).mark_bar().encode(
            x=alt.X("arr:Q", title="ARR due", axis=alt.Axis(format="~s")),
            y=quarter,
            color=_colour("part", ("likely to renew", "expected loss"),
                          {"likely to renew": _LIGHT[palette.BLUE], "expected loss": _LIGHT[palette.VERMILION]}),
            order=alt.Order("part:N", sort="descending"),
        ),
        alt.Chart(due).mark_text(align="left", dx=4, **_LABEL).encode(x="arr_due:Q", y=quarter, text="label:N"),
    ).properties(width=_WIDTH, height=_ROW * len(due))  # fmt: skip
    return theme.themed(chart, "Renewals ahead", f"as of {_as_of(forecast)}")


def health_spread(health: pd.DataFrame) -> alt.TopLevelMixin:
    """`health_scores`: how many accounts have which overall health, in steps of ten."""
    alt = _altair()
    scores: Any = health["health_score"].dropna()
    if scores.empty:
        raise NothingToDraw(
            "No account has a health score: nothing is known of usage, relationship, goals or payments."
        )
    steps = range(0, 100, 10)
    binned: Any = ((scores // 10) * 10).clip(upper=90).astype(int).value_counts()
    rows: Any = pd.DataFrame({"from": list(steps), "accounts": [int(binned.get(step, 0)) for step in steps]})
    rows["band"] = rows["from"].map(lambda low: f"{low}–{low + 10}")
    drawn = alt.Chart(rows)
    band = alt.X("band:N", sort=rows["band"].tolist(), title="overall health", axis=alt.Axis(labelAngle=0))
    chart = alt.layer(
        drawn.mark_bar(color=_LIGHT[palette.BLUE]).encode(
            x=band, y=alt.Y("accounts:Q", axis=alt.Axis(tickMinStep=1))
        ),
        drawn.mark_text(baseline="bottom", dy=-2, **_LABEL).encode(x=band, y="accounts:Q", text="accounts:Q"),
    ).properties(width=_WIDTH, height=150)
    unknown = len(health) - len(scores)
    subtitle = f"{_as_of(health)}: {len(scores):,} accounts, median {scores.median():.0f}"
    return theme.themed(chart, "Health of accounts", subtitle + (f"; {unknown:,} without a score" * bool(unknown)))


# -- kinds of chart


def _altair() -> Any:
    import altair as alt  # noqa: PLC0415 - takes half a second, and only a plot needs it

    return alt


def _bars(
    rows: Any, name: str, order: Any, value: str, title: str, colours: dict[str, str], *,
    colour_by: str | None = None, width: int = _WIDTH, row: int = _ROW, top: float | None = None,
    whole: bool = False,
) -> Any:  # fmt: skip
    """Horizontal bars, each with its `label` to the right."""
    alt = _altair()
    colour = colour_by or name
    kept = rows[list(dict.fromkeys([name, value, "label", colour]))]
    scale = alt.Scale(domain=[0, top]) if top else alt.Scale()
    axis = alt.Axis(tickMinStep=1) if whole else alt.Axis(format="~s")
    y = alt.Y(f"{name}:N", sort=list(order), title=None)
    drawn = alt.Chart(kept)
    legend = {} if colour_by else {"legend": None}
    return alt.layer(
        drawn.mark_bar().encode(
            x=alt.X(f"{value}:Q", title=title, axis=axis, scale=scale), y=y,
            color=_colour(colour, tuple(colours), colours, **legend),
        ),
        drawn.mark_text(align="left", dx=4, **_LABEL).encode(x=f"{value}:Q", y=y, text="label:N"),
    ).properties(width=width, height=row * len(kept))  # fmt: skip


def _matrix(alt: Any, cells: Any, rows: tuple[str, Any], columns: tuple[str, Any], shade: str) -> Any:
    """A table of cells with a `label` each; larger values are darker."""
    row, column = rows[0], columns[0]
    drawn = alt.Chart(cells[[row, column, shade, "label"]])
    most = float(cells[shade].max()) or 1.0
    y = alt.Y(f"{row}:N", sort=list(rows[1]), title=None)
    x = alt.X(
        f"{column}:N", sort=list(columns[1]), title=None, axis=alt.Axis(orient="top", labelAngle=0, domain=False)
    )
    return alt.layer(
        drawn.mark_rect(stroke=_LIGHT[palette.CARD], strokeWidth=2).encode(
            x=x,
            y=y,
            color=alt.Color(
                f"{shade}:Q",
                scale=alt.Scale(range=[_LIGHT[palette.SOFT], _LIGHT[palette.SKY]], domain=[0, most]),
                legend=None,
            ),
        ),
        drawn.mark_text(**_LABEL).encode(x=x, y=y, text="label:N"),
    ).properties(width=104 * len(columns[1]), height=30 * len(rows[1]))


def _bridge(steps: list[tuple[str, float]], unit: str) -> Any:
    """A waterfall: the first and last step start at zero, the others at the sum so far."""
    alt = _altair()
    rows, level = [], 0.0
    for i, (step, amount) in enumerate(steps):
        total = i in (0, len(steps) - 1)
        low, high = (0.0, amount) if total else (level, level + amount)
        level = high
        kind = "total" if total else "gain" if amount >= 0 else "loss"
        label = money(amount) if total else change(amount)
        rows.append({"step": step, "low": low, "high": high, "top": max(low, high), "kind": kind, "label": label})
    drawn = alt.Chart(pd.DataFrame([row for row in rows if row["low"] != row["high"] or row["kind"] == "total"]))
    names = [row["step"] for row in rows]
    x = alt.X("step:N", sort=names, title=None, axis=alt.Axis(labelAngle=0))
    colours = {"total": _LIGHT[palette.TOTAL], "gain": _LIGHT[palette.GAIN], "loss": _LIGHT[palette.LOSS]}
    return alt.layer(
        drawn.mark_bar(size=34).encode(
            x=x, y=alt.Y("low:Q", title=unit, axis=alt.Axis(format="~s")), y2="high:Q",
            color=_colour("kind", tuple(colours), colours, legend=None),
        ),
        drawn.mark_text(baseline="bottom", dy=-3, **_LABEL).encode(x=x, y="top:Q", text="label:N"),
    ).properties(width=_WIDTH + 60, height=190)  # fmt: skip


def _colour(name: str, order: tuple[str, ...], colours: dict[str, str], **legend: Any) -> Any:
    alt = _altair()
    scale = alt.Scale(domain=list(order), range=[colours[each] for each in order])
    options = legend or {"legend": alt.Legend(title=None, orient="bottom")}
    return alt.Color(f"{name}:N", scale=scale, sort=list(order), **options)


# -- words


def _retention(window: Any, measure: str) -> pd.DataFrame:
    """One row per tier of NRR or GRR, its target, and what the bar says."""
    status: Any = (
        window[f"{measure}_status"]
        .str.replace("_", " ")
        .mask(window[f"{measure}_low_n"].fillna(False), "few accounts")
    )
    high: Any = window["nrr_target_high"] if measure == "nrr" else window[f"{measure}_target"]
    frame: Any = pd.DataFrame(
        {
            "tier": window["coverage_tier"],
            "measure": measure.upper(),
            "value": window[measure],
            "target": window[f"{measure}_target"],
            "target_high": high.fillna(window[f"{measure}_target"]),
            "status": status.where(status.isin(list(_STATUS_COLOURS)), "no target"),
        }
    )
    frame["right"] = frame[["value", "target", "target_high"]].max(axis=1)
    marks = {"met": " ✓", "missed": " ✗", "few accounts": " (few)"}
    frame["label"] = frame["value"].map(lambda v: "" if pd.isna(v) else f"{v:.0%}") + frame["status"].map(
        lambda s: marks.get(s, "")
    )
    return frame


def _gap_in_words(row: Any) -> str:
    if row["what"] != "there" or pd.isna(row["gap_fte"]):
        return ""
    gap = row["gap_fte"]
    return f" · {abs(gap):.2f} {'to spare' if gap > 0 else 'short'}" if abs(gap) >= 0.005 else ""


def _money_of(rows: Any) -> Any:
    return rows["start_arr"].where(rows["start_arr"] > 0, rows["end_arr"]).map(money)


def _counted(values: Any) -> Any:
    return values.map("{:,}".format)


def _percent(values: Any) -> Any:
    return values.map(lambda value: share(None if pd.isna(value) else value, 0))


def _day(value: Any) -> str:
    return f"{pd.Timestamp(value):%Y-%m-%d}"


def _as_of(rows: Any) -> str:
    return _day(rows["as_of"].max())
