"""How accounts use the product, in plain pandas over the raw usage rows. Not here: points for it (`scores`).

Usage rows are those of the last 90 days: every window lies within; `usage_days` adds up all. `product_usage` may
leave out the columns that it does not have; the sample has them all.
"""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, over

_RULES = POLICY["usage"]
_WINDOW = _RULES["window_days"]
_DAY = pd.Timedelta(days=1)


def usage_days(company: Company) -> pd.DataFrame:
    """Use of each user on every day of the extract, all features together."""
    rows = _sound_rows(company, pd.read_parquet(company.sample / "product_usage"))
    of_day = rows.groupby(["usage_date", "account_id", "user_id"], as_index=False).agg(
        events=("event_count", "sum"),
        sessions=("session_count", "sum"),
        minutes=("session_minutes", "sum"),
        errors=("error_count", "sum"),
    )
    return of_day[(of_day["events"] > 0) | (of_day["sessions"] > 0)]


def usage_rows(company: Company) -> pd.DataFrame:
    """Sound usage rows of the last 90 days: of users that the company knows, each key once."""
    return company.kept("usage_rows", lambda: _usage_rows(company))


def _usage_rows(company: Company) -> pd.DataFrame:
    first = company.as_of - pd.Timedelta(days=89)
    files = [file for file in sorted((company.sample / "product_usage").glob("*.parquet"))
             if str(first) <= file.stem <= str(company.as_of)]  # fmt: skip
    return _sound_rows(company, pd.concat([pd.read_parquet(file) for file in files]))


def _sound_rows(company: Company, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of known users, each key once."""
    rows["usage_date"] = pd.to_datetime(rows["usage_date"])
    rows = rows[rows["user_id"].isin(company.raw("product_users")["user_id"])]
    return rows.drop_duplicates(["user_id", "usage_date", "feature"]).reset_index(drop=True)


def counted_rows(company: Company) -> pd.DataFrame:
    """Usage rows of users not deactivated by as_of; merged accounts followed; `is_person`: no service user."""
    users = company.raw("product_users")
    is_out = users["deactivated_on"] <= pd.Timestamp(company.as_of)
    rows = usage_rows(company)
    rows = rows[~rows["user_id"].isin(users[is_out]["user_id"])]
    is_person = ~rows["user_id"].isin(users[users["is_service_user"]]["user_id"])
    return rows.assign(account_id=rows["account_id"].map(company.survivors()), is_person=is_person)


def usage_through(company: Company) -> pd.Timestamp:
    """The last day of the usage windows."""
    return company.published("usage_last_days")["usage_through"].iloc[0]


def usage_last_days(company: Company) -> pd.DataFrame:
    """The last complete day of usage."""
    weeks, users = _RULES["usual_weeks"], _by_day(usage_rows(company)).groupby("usage_date").size()
    complete = []
    for place, (day, count) in enumerate(users.items()):
        before = users.iloc[:place]
        usual = before.tail(7 * weeks).mean()
        if place and (day - before.index[-1]).days <= 7:
            of_weekday = before[before.index.dayofweek == day.dayofweek].tail(weeks).mean()
            usual = usual if pd.isna(of_weekday) else of_weekday
        if pd.isna(usual) or count >= _RULES["complete_day_share"] * usual:
            complete.append(day)
    through = max(complete)
    lag = (pd.Timestamp(company.as_of) - through).days
    return pd.DataFrame([{"usage_through": through, "usage_lag_days": lag}])


def _by_day(rows: pd.DataFrame) -> pd.DataFrame:
    """Each day, account and user with use, whether the user counts or not."""
    used = rows[(rows["event_count"] > 0) | (rows["session_count"] > 0)]
    return used[["usage_date", "account_id", "user_id"]].drop_duplicates()


def _late_feeds(company: Company, through: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """The last day with usage of accounts whose own feed is late beside the others."""
    rules, as_of = _RULES["feed"], pd.Timestamp(company.as_of)
    rows = usage_rows(company)
    users = _by_day(rows.assign(account_id=rows["account_id"].map(company.survivors())))
    users = users[users["usage_date"] <= through].groupby(["account_id", "usage_date"]).size()
    late = {}
    for account, one in users.groupby(level=0):
        days = one.droplevel(0)
        last = days.index.max()
        days = days[days.index > last - 28 * _DAY]
        in_last_week = days.index > last - 7 * _DAY
        last_week, before = days[in_last_week].sum(), days[~in_last_week].sum()
        if (
            (through - last).days > rules["silent_days"]
            and last >= as_of - _RULES["max_lag_days"] * _DAY
            and len(days) >= rules["regular_days"]
            and last_week >= rules["least_user_days"]
            and last_week >= _RULES["complete_day_share"] * before / 3
        ):
            late[str(account)] = last
    return late


def account_usage(company: Company) -> pd.DataFrame:
    """Use of every account that pays at as_of."""
    company_through = usage_through(company)
    late = _late_feeds(company, company_through)
    rows = counted_rows(company)
    rows = rows[rows["usage_date"] <= company_through]
    by_account = dict(list(rows.groupby("account_id")))
    revenue = company.published("account_revenue")
    seats = _seats(company, company_through)
    paying = company.revenue.in_force(pd.Timestamp(company.as_of))
    products = paying.groupby("account_id")["product"].agg(set)
    people = _people(company)
    catalogue = company.raw("product_features")
    departments = people.dropna(subset="department").groupby("account_id")["department"].agg(set)
    result = []
    for account in products.index:
        through = late.get(account, company_through)
        one = _Account(
            by_account.get(account, rows.iloc[:0]),
            seats[account],
            products[account],
            departments.get(account, set()),
            people.set_index("user_id")["department"],
            catalogue,
            through,
        )
        result.append(
            {
                "account_id": account,
                "usage_through": through,
                "usage_lag_days": (pd.Timestamp(company.as_of) - through).days,
                "is_feed_late": account in late,
                **one.figures(),
            }
        )
    assert set(products.index) == set(revenue[revenue["arr"] > 0]["account_id"])
    result = pd.DataFrame(result)
    for name in ("users_trend", "events_trend", "minutes_trend"):
        result[f"{name}_net"] = result[name] - result[name].median()
    return result


def _people(company: Company) -> pd.DataFrame:
    """Users who count at as_of."""
    as_of = pd.Timestamp(company.as_of)
    people = company.counted("product_users")
    is_in = ~people["is_service_user"] & (people["deactivated_on"].isna() | (people["deactivated_on"] > as_of))
    return people[is_in & (people["created_on"].isna() | (people["created_on"] <= as_of))]


def _seats(company: Company, through: pd.Timestamp) -> dict[str, pd.Series]:
    """Licensed seats in force on each day that a window may hold, and on as_of, by account."""
    days = [*pd.date_range(through - 89 * _DAY, through), pd.Timestamp(company.as_of)]
    table = {day: company.revenue.in_force(day).groupby("account_id")["seats"].sum() for day in days}
    frame = pd.DataFrame(table).fillna(0.0)
    return {str(account): row for account, row in frame.iterrows()}


class _Account:
    """Figures of one account."""

    def __init__(
        self,
        rows: pd.DataFrame,
        seats: pd.Series,
        products: set[str],
        departments: set[str],
        department_of: pd.Series,
        catalogue: pd.DataFrame,
        through: pd.Timestamp,
    ) -> None:
        self.seats, self.products, self.departments = seats, products, departments
        self.department_of, self.catalogue, self.through = department_of, catalogue, through
        is_use = (rows["event_count"] > 0) | (rows["session_count"] > 0)
        self.by_all = rows[is_use]
        self.use = self.by_all[self.by_all["is_person"]]
        self.now, self.before = (self._window(self.use, back) for back in (0, _WINDOW))
        self.all_now, self.all_before = (self._window(self.by_all, back) for back in (0, _WINDOW))

    def _window(self, use: pd.DataFrame, back: int) -> pd.DataFrame:
        last = self.through - back * _DAY
        days = use["usage_date"]
        return use[(days <= last) & (days > last - _WINDOW * _DAY)]

    def _of_seats(self, users: int, days: pd.DatetimeIndex) -> float:
        if self.seats.iloc[-1] == 0:
            return NAN
        licensed = self.seats[days]
        licensed = licensed[licensed > 0]
        return users / (licensed.mean() if len(licensed) else self.seats.iloc[-1])

    def figures(self) -> dict[str, object]:
        now, before, through = self.now, self.before, self.through
        window = pd.date_range(through - (_WINDOW - 1) * _DAY, through)
        week = pd.date_range(through - (_RULES["week_days"] - 1) * _DAY, through)
        month = pd.date_range(through.replace(day=1), through)
        mau, was = now["user_id"].nunique(), before["user_id"].nunique()
        wau, in_month = (self.use[self.use["usage_date"].isin(d)]["user_id"].nunique() for d in (week, month))
        by_day = now.groupby("usage_date")["user_id"].nunique().reindex(window).fillna(0)
        weekdays = by_day[by_day.index.dayofweek < 5]
        licensed = self.seats[window]
        has_seats = bool(self.seats.iloc[-1] > 0)
        dau_shares = (by_day / licensed)[licensed > 0]
        dau = by_day.sum() / _WINDOW
        events, earlier = self.all_now["event_count"].sum(), self.all_before["event_count"].sum()
        by_user = now.groupby("user_id")["event_count"].sum()
        top_share = over(by_user.max() if len(by_user) else NAN, by_user.sum())
        minutes, minutes_before = now["session_minutes"].sum(), before["session_minutes"].sum()
        sessions, sessions_before = now["session_count"].sum(), before["session_count"].sum()
        active_share = self._of_seats(mau, window)
        active_days = now.groupby("user_id")["usage_date"].nunique()
        return {
            "active_users_28d": mau,
            "active_users_prior_28d": was,
            "events_28d": events,
            "events_prior_28d": earlier,
            "minutes_28d": minutes,
            "minutes_prior_28d": minutes_before,
            "dau": dau,
            "wau": wau,
            "mau": mau,
            "mau_calendar_month": in_month,
            "dau_seat_share": (dau_shares.mean() if len(dau_shares) else 0.0) if has_seats else NAN,
            "wau_seat_share": self._of_seats(wau, week),
            "mau_seat_share": active_share,
            "calendar_month_seat_share": self._of_seats(in_month, month),
            "active_seat_share": active_share,
            "is_active_account": active_share >= _RULES["active_account_share"] if has_seats else None,
            "stickiness": dau / mau if mau else 0.0,
            "active_days_28d": int((by_day > 0).sum()),
            "consistency": (weekdays > 0).mean(),
            "logins_per_user": sessions / max(mau, 1),
            "minutes_per_user": minutes / max(mau, 1),
            "logins_trend": over(sessions, sessions_before) - 1,
            "minutes_trend": over(minutes, minutes_before) - 1,
            "users_trend": over(mau, was) - 1,
            "events_trend": over(events, earlier) - 1,
            "error_rate": over(self.all_now["error_count"].sum(), events),
            "top_user_share": top_share,
            "single_champion": None
            if not has_seats
            else top_share >= _RULES["single_champion_share"]
            and self.seats.iloc[-1] >= _RULES["single_champion_seats"],
            "power_users": int((active_days >= _RULES["power_user_days"]).sum()),
            "new_champions": len(self._top(now) - self._top(before)),
            **self._breadth(now, mau),
        }

    def _top(self, rows: pd.DataFrame) -> set[str]:
        events = rows.groupby("user_id")["event_count"].sum().reset_index()
        events = events[events["event_count"] > 0].sort_values(["event_count", "user_id"], ascending=[False, True])
        return set(events["user_id"].head(_RULES["champions"]))

    def _breadth(self, now: pd.DataFrame, mau: int) -> dict[str, object]:
        listed = self.catalogue.set_index("feature")
        paid = listed[listed["product"].isna() | listed["product"].isin(self.products)]
        events = now.groupby("feature")["event_count"].sum()
        used = set(events[events > 0].index)
        advanced = set(paid[paid["level"] == "advanced"].index)
        key_events = events.reindex(listed[listed["is_key"]].index).fillna(0).sum()
        at_work = set(self.department_of.reindex(now["user_id"].unique()).dropna())
        of_account = self.departments | at_work
        return {
            "features_used": len(used),
            "feature_breadth_share": over(len(used & set(paid.index)), len(paid)),
            "departments_active": len(at_work) if of_account else None,
            "department_breadth_share": over(len(at_work), len(of_account)),
            "key_events_per_active_user": key_events / mau if mau else 0.0,
            "unused_paid_features": len(set(paid.index) - used) if len(paid) else None,
            "ladder_level": over(len(used & advanced), len(advanced)),
        }


def feature_adoption(company: Company) -> pd.DataFrame:
    """Use of every feature by segment and behavioral cohort."""
    rules, rows = POLICY["adoption"], counted_rows(company)
    rows = rows[rows["is_person"]]
    through = rows["account_id"].map(company.published("account_usage").set_index("account_id")["usage_through"])
    rows = rows[(rows["usage_date"] <= through) & (rows["usage_date"] > through - _WINDOW * _DAY)]
    use = rows.groupby(["account_id", "feature", "user_id"])["event_count"].sum()
    use = use[use > 0].reset_index()
    catalogue = company.raw("product_features").set_index("feature")
    accounts = company.published("segments").dropna(subset="behavioral_cohort").set_index("account_id")
    paying = company.revenue.in_force(pd.Timestamp(company.as_of)).groupby("account_id")["product"].agg(set)
    cells = []
    for feature in sorted({*catalogue.index, *use["feature"]}):
        product = catalogue["product"].get(feature)
        level = catalogue["level"].get(feature)
        paid = [a for a in accounts.index if a in paying and (pd.isna(product) or product in paying[a])]
        buyers = accounts.loc[paid]
        on_it = use[(use["feature"] == feature) & use["account_id"].isin(paid)]
        share = {}
        for kind in ("loving", "missing"):
            of_kind = buyers[buyers["behavioral_cohort"].isin(rules[f"{kind}_cohorts"])]
            users = of_kind.index.isin(on_it["account_id"]).sum()
            share[kind] = (len(of_kind), over(users, len(of_kind)))
        loving, missing = share["loving"], share["missing"]
        apart = loving[1] >= rules["loved_from"] and missing[1] <= rules["untouched_up_to"]
        for (segment, cohort), cell in buyers.groupby(["segment", "behavioral_cohort"]):
            of_cell = on_it[on_it["account_id"].isin(cell.index)]
            using = of_cell["account_id"].nunique()
            cells.append(
                {
                    "segment": segment,
                    "behavioral_cohort": cohort,
                    "feature": feature,
                    "product": product,
                    "level": level,
                    "accounts": len(cell),
                    "accounts_using": using,
                    "share_using": using / len(cell),
                    "users": len(of_cell),
                    "events": of_cell["event_count"].sum(),
                    "low_n": len(cell) < POLICY["retention"]["low_n"],
                    "loving_accounts": loving[0],
                    "loving_share": loving[1],
                    "missing_accounts": missing[0],
                    "missing_share": missing[1],
                    "tells_apart": apart if loving[0] and missing[0] else None,
                    "tells_apart_low_n": min(loving[0], missing[0]) < POLICY["retention"]["low_n"],
                }
            )
    return pd.DataFrame(cells)
