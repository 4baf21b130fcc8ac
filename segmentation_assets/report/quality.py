"""The data quality page: the quality of each extract, and the data that scores are missing.

Here: the page's view model. Not here: the figures (`extracts.quality`, `kpis.reconciliation`).
"""

from __future__ import annotations

from dataclasses import dataclass

from segmentation_assets.reading.figures import label, number, share
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import Count


@dataclass(frozen=True)
class QualityPage:
    """Everything on the page."""

    extracts: tuple[Row, ...]
    absent: tuple[str, ...]
    accounts: tuple[str, ...]
    reconciliation: tuple[tuple[Row, Count], ...]
    columns: tuple[Row, ...] = ()
    """Columns that lack values, the emptiest first."""
    counted: tuple[Count, ...] = ()
    """The accounts that the sentences count."""
    gaps: tuple[str, ...] = ()


def quality_page(evidence: Evidence) -> QualityPage:
    """Make the page, the worst extract first."""
    rows = evidence.of_day("data_quality", "quality_score NULLS FIRST, extract")
    there = [row for row in rows if row["row_count"]]
    return QualityPage(
        extracts=tuple(there),
        absent=tuple(f"{row['extract']}: {label(row['reason'] or 'no rows').lower()}" for row in rows
                     if not row["row_count"]),
        accounts=(*_accounts(evidence), *_scores(evidence)),
        reconciliation=tuple(
            (row, evidence.sets.count(row["ids"], f"Invoices: {label(row['kind'])}"))
            for row in _reconciliation(evidence)
        ),
        counted=_counts(evidence),
        columns=tuple(evidence.of_day("data_quality_columns", "missing_share DESC, extract, column_name",
                                      "missing_rows > 0 AND NOT null_is_a_fact")),
        gaps=evidence.gaps("data_quality", "data_quality_columns", "arr_reconciliation"),
    )  # fmt: skip


def _accounts(evidence: Evidence) -> list[str]:
    row = evidence.rows(
        "SELECT count(*) AS accounts, count(*) FILTER (data_completeness >= 1) AS complete, "
        "avg(data_completeness) AS mean, count(*) FILTER (is_backcast) AS backcast, "
        "count(*) FILTER (health_score IS NULL) AS no_health, "
        "count(*) FILTER (behavioral_score IS NULL) AS no_usage, "
        "count(*) FILTER (csm_id IS NULL) AS no_csm FROM segments WHERE as_of = ?",
        evidence.as_of,
    )[0]
    sentences = [
        f"{number(row['complete'])} of {number(row['accounts'])} accounts have all dimensions of the composite "
        f"score. On average {share(row['mean'])} of its weight is known."
    ]
    for column, text in (
        ("backcast", "use CRM data of a later day (backcast), so they are excluded from training"),
        ("no_usage", "have no behavioral score"),
        ("no_health", "have no health score"),
        ("no_csm", "have no CSM in the CRM"),
    ):
        if row[column]:
            sentences.append(f"{number(row[column])} {text}.")
    return sentences


def _counts(evidence: Evidence) -> tuple[Count, ...]:
    groups = {
        "All dimensions of the composite score": "data_completeness >= 1", "CRM data of a later day": "is_backcast",
        "No behavioral score": "behavioral_score IS NULL", "No health score": "health_score IS NULL",
        "No CSM in the CRM": "csm_id IS NULL",
    }  # fmt: skip
    counts = (
        evidence.sets.count((row["account_id"] for row in evidence.of_day("segments", "account_id", where)), title)
        for title, where in groups.items()
    )
    return tuple(count for count in counts if count.number)


def _scores(evidence: Evidence) -> list[str]:
    """The data quality scores of accounts, in a sentence."""
    if not evidence.has("account_data_quality"):
        return []
    row = evidence.rows(
        "SELECT count(*) AS accounts, avg(quality_score) AS mean, min(quality_score) AS least, "
        "arg_min(account_id, (quality_score, account_id)) AS worst FROM account_data_quality WHERE as_of = ?",
        evidence.as_of,
    )[0]
    if not row["accounts"]:
        return []
    return [
        f"The data of an account has a quality of {number(row['mean'], 1)} of 100 on average; the lowest is "
        f"{number(row['least'], 1)} ({row['worst']})."
    ]


def _reconciliation(evidence: Evidence) -> list[Row]:
    if not evidence.has("arr_reconciliation"):
        return []
    return evidence.rows(
        "SELECT invoice_kind AS kind, list(account_id) AS ids, count(*) AS accounts, sum(arr) AS arr, "
        "sum(unexplained) AS unexplained "
        "FROM arr_reconciliation WHERE as_of = ? GROUP BY 1 ORDER BY abs(sum(unexplained)) DESC NULLS LAST, 1",
        evidence.as_of,
    )
