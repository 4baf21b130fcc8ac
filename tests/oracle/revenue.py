"""What each account paid at the end of a day. Not here: what is made of it (`kpis`)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

REPORTING_CURRENCY = "USD"
_FINE, _CENT = Decimal("1e-9"), Decimal("0.01")


def cents(amount: float) -> float:
    """An amount to the cent, half a cent away from zero."""
    return float(Decimal(repr(float(amount))).quantize(_FINE, ROUND_HALF_UP).quantize(_CENT, ROUND_HALF_UP))


def money(amounts: pd.Series) -> float:
    """The sum of amounts to the cent."""
    return cents(sum((Decimal(repr(float(a))).quantize(_FINE, ROUND_HALF_UP) for a in amounts.dropna()), Decimal(0)))


def months_before(day: pd.Timestamp, months: int) -> pd.Timestamp:
    """The same day so many months earlier; the last day of a month stays the last day of a month."""
    earlier = day - pd.DateOffset(months=months)
    return earlier + pd.offsets.MonthEnd(0) if day.is_month_end else earlier


def survivors(crm_accounts: pd.DataFrame) -> dict[str, str]:
    """The account that each record counts for, merged ones followed to the end of the chain."""
    into = crm_accounts.set_index("account_id")["merged_into_account_id"].dropna().to_dict()
    facts = set(crm_accounts["account_id"])

    def end(account: str) -> str:
        seen = {account}
        while into.get(account) in facts and into[account] not in seen:
            account = into[account]
            seen.add(account)
        return account

    return {account: end(account) for account in facts}


class Revenue:
    """Recurring revenue by account and day, as known on one day."""

    def __init__(
        self, subscriptions: pd.DataFrame, fx_rates: pd.DataFrame, crm_accounts: pd.DataFrame, as_of: pd.Timestamp
    ) -> None:
        self.as_of = as_of
        self.rates = fx_rates.sort_values("valid_from")
        self._rates: dict[tuple[str, pd.Timestamp], float] = {}
        merged = survivors(crm_accounts)
        rows = subscriptions.assign(account_id=subscriptions["account_id"].map(lambda a: merged.get(a, a)))
        rows = rows.sort_values(["subscription_id", "start_date"])
        replaced_on = rows.groupby("subscription_id")["start_date"].shift(-1)
        known_on = rows["end_known_on"].fillna(rows["end_date"])
        ended_on = rows["end_date"].where(rows["end_date"] >= known_on, known_on)
        rows["over_on"] = pd.concat([ended_on, replaced_on], axis=1).min(axis=1)
        self.subscriptions = rows

    def in_force(self, day: pd.Timestamp) -> pd.DataFrame:
        """The paid subscriptions at the end of a day."""
        rows = self.subscriptions
        is_on = (rows["start_date"] <= day) & (rows["over_on"].isna() | (rows["over_on"] > day))
        return rows[is_on & (rows["mrr"] > 0)]

    def rate(self, currency: str, day: pd.Timestamp) -> float:
        """Reporting currency per unit: the newest rate by that day, else the first."""
        if currency == REPORTING_CURRENCY:
            return 1.0
        if (currency, day) not in self._rates:
            rates = self.rates[self.rates["currency"] == currency]
            by_then = rates[rates["valid_from"] <= day]
            self._rates[currency, day] = float((by_then.iloc[-1] if len(by_then) else rates.iloc[0])["rate"])
        return self._rates[currency, day]

    def mrr(self, day: pd.Timestamp, rates_of: pd.Timestamp) -> pd.Series:
        """MRR by account at the end of `day`, at the exchange rates of another day."""
        rows = self.in_force(day)
        paid = rows["mrr"] * rows["currency"].map(lambda currency: self.rate(currency, rates_of))
        return paid.groupby(rows["account_id"]).sum()

    def arr(self, day: pd.Timestamp, rates_of: pd.Timestamp) -> pd.Series:
        """ARR by account, to the cent."""
        return (self.mrr(day, rates_of).round(9) * 12).map(cents)

    def first_paid_on(self) -> pd.Series:
        """The first day of the first paid subscription, by account."""
        rows = self.subscriptions
        paid = rows[(rows["mrr"] > 0) & (rows["over_on"].isna() | (rows["over_on"] > rows["start_date"]))]
        return paid.groupby("account_id")["start_date"].min()
