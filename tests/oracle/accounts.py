"""What each account pays, since when, until when, and whether in time: plain pandas over raw billing.

The sample pauses nothing, discounts nothing and changes no contract's currency: the tests of the room hold what the
product makes of that.
"""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import Company
from tests.oracle.retention import NAN, over
from tests.oracle.revenue import cents, months_before

_MONTH = 365.25 / 12
_DAY = pd.Timedelta(days=1)
_FOREVER = pd.Timestamp("2200-01-01")


def _terms(company: Company) -> dict[str, list]:
    """The rows of each account's subscriptions that count by as_of, oldest first, as tuples."""

    def make() -> dict[str, list]:
        rows = company.revenue.subscriptions
        rows = rows[rows["start_date"] <= pd.Timestamp(company.as_of)]
        rows = rows[rows["over_on"].isna() | (rows["over_on"] > rows["start_date"])]
        rows = rows.assign(over_on=rows["over_on"].fillna(_FOREVER)).sort_values(["start_date", "subscription_id"])
        return {str(account): list(group.itertuples()) for account, group in rows.groupby("account_id")}

    return company.kept("terms", make)


def _on(terms: list, day: pd.Timestamp) -> list:
    return [row for row in terms if row.mrr > 0 and row.start_date <= day < row.over_on]


def arr_steps(company: Company) -> pd.DataFrame:
    """Each account's ARR between the days on which a subscription began, changed or ended, at the rates of as_of."""
    as_of, result = pd.Timestamp(company.as_of), []
    for account, terms in _terms(company).items():
        paid = [row for row in terms if row.mrr > 0]
        days = sorted({day for row in paid for day in (row.start_date, row.over_on) if day <= as_of})
        steps: list[dict] = []
        for day in days:
            arr = cents(12 * sum(row.mrr * company.revenue.rate(row.currency, as_of) for row in _on(terms, day)))
            if steps and pd.isna(steps[-1]["until"]):
                steps[-1]["until"] = day
            if arr > 0:
                steps.append({"account_id": account, "day": day, "until": pd.NaT, "arr": arr})
        result += steps
    return pd.DataFrame(result)


def _rises(company: Company, terms: list, until: pd.Timestamp) -> list[tuple[pd.Timestamp, bool]]:
    """Days on which the account, paying before and after, paid more; and whether for seats, plan or products."""
    days = sorted({day for row in terms for day in (row.start_date, row.over_on) if day <= until})
    rises = []
    for day in days:
        before, after = _lines(company, _on(terms, day - _DAY), day), _lines(company, _on(terms, day), day)
        change = sum(amount for amount, _ in after.values()) - sum(amount for amount, _ in before.values())
        if not before or not after or round(change, 9) <= 0:
            continue
        by_seats = by_product = 0.0
        for key in {*before, *after}:
            (was, seats_before), (now, seats) = before.get(key, (0.0, None)), after.get(key, (0.0, None))
            if key not in before or key not in after:
                by_product += now - was
            elif seats_before and seats is not None:
                by_seats += (seats - seats_before) * was / seats_before
            else:
                by_seats += now - was
        rises.append((day, round(by_seats, 9) > 0 or round(by_product, 9) > 0))
    return rises


def _lines(company: Company, rows: list, day: pd.Timestamp) -> dict[tuple, tuple[float, float | None]]:
    lines: dict[tuple, tuple[float, float | None]] = {}
    for row in rows:
        key = (row.product, row.plan)
        amount, seats = lines.get(key, (0.0, None))
        facts = None if pd.isna(row.seats) else row.seats + (seats or 0)
        lines[key] = (amount + row.mrr * company.revenue.rate(row.currency, day), seats if facts is None else facts)
    return lines


def account_revenue(company: Company) -> pd.DataFrame:
    """What each account with any subscription pays, and how."""
    as_of = pd.Timestamp(company.as_of)
    then = months_before(as_of, 12)
    bills = _bills(company)
    rows = []
    for account, terms in _terms(company).items():
        now = _on(terms, as_of)
        paid = [row for row in terms if row.mrr > 0]
        amounts = [row.mrr * company.revenue.rate(row.currency, as_of) for row in now]
        first = min((row.start_date for row in paid), default=pd.NaT)
        arr, before, at_rate = (
            cents(12 * round(sum(row.mrr * company.revenue.rate(row.currency, rated) for row in _on(terms, day)), 9))
            for day, rated in ((as_of, as_of), (then, then), (as_of, then))
        )
        rises = _rises(company, terms, as_of)
        expansions = [day for day, is_expansion in rises if is_expansion]
        leaving = _leaving(now, as_of)
        renewal = _renewal(now, leaving, as_of)
        by_size = sorted(zip(amounts, now, strict=True), key=lambda one: (-one[0], one[1].subscription_id))
        products, regions = ({getattr(row, n) for row in now} - {None} for n in ("product", "region"))
        rows.append(
            {
                "account_id": account,
                "arr": arr,
                "mrr": round(sum(amounts), 9),
                "seats": sum(row.seats for row in now) if now else None,
                "products": len(products),
                "product_list": ", ".join(sorted(products)) or None,
                "regions": len(regions),
                "region": by_size[0][1].region if by_size else None,
                "arr_12m_ago": before,
                "arr_at_rate_12m_ago": at_rate,
                "nrr_12m": over(at_rate, before),
                "first_paid_on": first,
                "tenure_days": (as_of - first).days if paid else None,
                "renewal_on": renewal,
                "days_to_renewal": None if pd.isna(renewal) else (renewal - as_of).days,
                "leaving_on": leaving,
                "paused_on": pd.NaT,
                "last_expansion_on": max(expansions, default=pd.NaT),
                "months_to_first_expansion": (min(expansions) - first).days / _MONTH if expansions else NAN,
                "is_multi_product": len(products) > 1,
                "is_multi_region": len(regions) > 1,
                **bills.get(account, _NO_BILLS),
                "is_live": bool(now),
                "churned_on": max((row.over_on for row in paid), default=pd.NaT) if not now else pd.NaT,
                "is_trial_only": not paid,
                "has_billing_history_12m": bool(paid) and first <= then,
            }
        )
    return pd.DataFrame(rows)


def _leaving(now: list, as_of: pd.Timestamp) -> pd.Timestamp:
    """The day it leaves, where every end is known and nothing follows."""
    ends = []
    for row in now:
        known_on = row.end_known_on if pd.notna(row.end_known_on) else row.end_date
        if pd.isna(row.end_date) or known_on > as_of:
            return pd.NaT
        ends.append(row.end_date)
    return max(ends, default=pd.NaT)


def _renewal(now: list, leaving: pd.Timestamp, as_of: pd.Timestamp) -> pd.Timestamp:
    if pd.notna(leaving) or not now:
        return leaving
    ends = [row.term_end for row in now if pd.notna(row.term_end) and row.term_end > as_of]
    if ends:
        return min(ends)
    oldest = min(row.start_date for row in now)
    years = next(n for n in range(1, 100) if oldest + pd.DateOffset(years=n) > as_of)
    return oldest + pd.DateOffset(years=years)


_NO_BILLS = {
    "invoices_late_12m": 0, "mean_days_late": NAN, "late_share_12m": NAN, "overdue_amount": 0.0, "overdue_days": 0,
}  # fmt: skip


def _bills(company: Company) -> dict[str, dict[str, object]]:
    """Lateness of invoices due in twelve months, and what is overdue, by account."""
    as_of = pd.Timestamp(company.as_of)
    since = months_before(as_of, 12)
    invoices = company.counted("billing_invoices")
    invoices = invoices[invoices["issued_on"] <= as_of]
    invoices = invoices.assign(paid_on=invoices["paid_on"].where(invoices["paid_on"] <= as_of))
    result = {}
    for account, rows in invoices.groupby("account_id"):
        charged = rows[rows["amount"] > 0]
        due = charged[(charged["due_on"] > since) & (charged["due_on"] <= as_of)]
        late = (due["paid_on"].fillna(as_of) - due["due_on"]).dt.days.clip(lower=0)
        unpaid = rows[rows["paid_on"].isna()]
        overdue = unpaid[(unpaid["amount"] > 0) & (unpaid["due_on"] < as_of)]
        credit = unpaid[unpaid["amount"] < 0]
        amount = sum(
            row.amount * company.revenue.rate(row.currency, as_of)
            for row in [*overdue.itertuples(), *credit.itertuples()]
        )
        result[str(account)] = {
            "invoices_late_12m": int((late > 0).sum()),
            "mean_days_late": late.mean() if len(due) else NAN,
            "late_share_12m": (late > 0).mean() if len(due) else NAN,
            "overdue_amount": cents(max(amount, 0.0)) if len(overdue) else 0.0,
            "overdue_days": (as_of - overdue["due_on"].min()).days if len(overdue) else 0,
        }
    return result


def subscription_steps(company: Company) -> pd.DataFrame:
    """Each subscription's rows, from when until when they hold."""
    rows = company.raw("billing_subscriptions").sort_values(["subscription_id", "start_date"])
    over = company.revenue.subscriptions.set_index(["subscription_id", "start_date"])["over_on"]
    rows = rows.assign(
        day=rows["start_date"],
        until=[over[key] for key in zip(rows["subscription_id"], rows["start_date"], strict=True)],
        paused_on=pd.NaT,
        paused_mrr=NAN,
    )
    return rows[rows["until"].isna() | (rows["until"] > rows["day"])]


def account_states(company: Company) -> pd.DataFrame:
    """What each account, as billing names it, has between two days on which something changes."""
    result = []
    steps = subscription_steps(company)
    steps = steps.assign(over_on=steps["until"].fillna(_FOREVER))
    for account, group in steps.groupby("account_id"):
        terms = list(group.itertuples())
        days = sorted({day for row in terms for day in (row.day, row.over_on) if day < _FOREVER})
        rises = _rises(company, terms, _FOREVER)
        for place, day in enumerate(days):
            now = _on(terms, day)
            paid = [row.start_date for row in terms if row.mrr > 0 and row.start_date <= day]
            ended = max((row.over_on for row in terms if row.mrr > 0 and row.over_on <= day), default=pd.NaT)
            so_far = [rise for rise in rises if rise[0] <= day]
            grown = [rise[0] for rise in so_far if rise[1]]
            currencies = {row.currency for row in now}
            result.append(
                {
                    "account_id": account,
                    "day": day,
                    "until": days[place + 1] if place + 1 < len(days) else pd.NaT,
                    "subscriptions": len(now),
                    "seats": sum(row.seats for row in now) if now else None,
                    "currency": currencies.pop() if len(currencies) == 1 else None,
                    "currency_link": 1.0,
                    "first_paid_on": min(paid, default=pd.NaT),
                    "stopped_on": ended if not now else pd.NaT,
                    "ended_on": ended if not now else pd.NaT,
                    "first_rise_on": so_far[0][0] if so_far else pd.NaT,
                    "last_rise_on": so_far[-1][0] if so_far else pd.NaT,
                    "first_expansion_on": grown[0] if grown else pd.NaT,
                    "last_expansion_on": grown[-1] if grown else pd.NaT,
                }
            )
    return pd.DataFrame(result)
