"""Proposes a `sources.yaml` for a folder of exports: which file is which extract, what each column means, and why.

Here: choosing by headers, values and joins between files, and writing the mapping with a comment per decision. If the
files cannot decide, the user is asked. Not here: reading the folder (`profiling`), names of columns in other systems
(`headers`), checking the mapping against the contracts (`checking`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from segmentation_assets.extracts import headers
from segmentation_assets.extracts.advice import counted_from, is_nothing, name_sql, our_word, quoted
from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.profiling import DATE, EMPTY, NUMBER, RANGE, Column, File, Folder
from segmentation_assets.extracts.rule_words import allowed_words
from segmentation_assets.tables.contracts import ibis_schema, schema_of
from segmentation_assets.warehouse.sql_text import identifier, literal

_ACCOUNTS, _BILLING, _USERS, _USAGE = "crm_accounts", "billing_subscriptions", "product_users", "product_usage"
_SPECS = {spec.name: spec for spec in EXTRACTS}
_COVERED, _JOINED = 0.5, 0.8
_NEEDS: Mapping[str, tuple[str, ...]] = {
    _ACCOUNTS: ("account_id",), _BILLING: ("start_date",), _USERS: ("user_id",), _USAGE: ("usage_date",),
    "billing_invoices": ("issued_on", "amount"), "support_tickets": ("opened_at",),
}  # fmt: skip
"""Columns that a file must have to be this extract. For other extracts: all required columns except the account."""
_FILLED = ("account_id", "currency", "event_count", "mrr", "subscription_id")
"""Columns that may come from elsewhere: a join, a constant, a sum."""
UNLOCKS: Mapping[str, str] = {
    "product_usage": "behavioral score and cohorts, adoption, product health, usage trends",
    "product_users": "active users per seat, departments, champions (with product_usage)",
    "billing_invoices": "late payment, financial health, reconciliation of ARR",
    "support_tickets": "support load, cost to serve, sentiment",
    "surveys": "NPS and satisfaction, advocates",
    "interactions": "relationship health, actual coverage of accounts",
    "opportunities": "pipeline, goal gap, expansion forecast",
    "csm_roster": "available people against needed people, assignments",
    "csm_time_entries": "hours per account, coverage leakage",
    "success_goals": "outcome health",
    "product_features": "breadth and depth of use",
    "technology_installs": "technographic score, competitors",
    "external_signals": "signals of risk and growth",
    "marketing_engagement": "engagement",
    "self_service_sessions": "self-service ratio",
    "gtm_spend": "CAC payback, magic number",
    "custom_development": "cost to serve",
    "leads": "expected value of new leads",
    "fx_rates": "more than one currency",
}
"""The results that each optional extract adds."""


@dataclass(frozen=True)
class Question:
    """A question that the files cannot answer: the possible answers with their meaning, and the safest one."""

    text: str
    answers: Mapping[str, str]
    safest: str


Ask = Callable[[Question], str]


@dataclass(frozen=True)
class Join:
    """A join: columns of another file, found by a value of this one."""

    file: File
    name: str
    on: str
    key: str
    columns: Mapping[str, str]

    def alias(self, column: str) -> str:
        """The name of a joined column in the query."""
        return f"{self.name}_{re.sub(r'[^A-Za-z0-9]+', '_', column).lower()}"


@dataclass
class Proposal:
    """The text of a mapping, the extracts in it, unused files, and the currency if there is only one."""

    text: str
    extracts: list[str]
    unused: list[str] = field(default_factory=list)
    currency: str | None = None


def propose(folder: Folder, ask: Ask, default_currency: str) -> Proposal:
    """Propose a mapping of the folder. Raises LookupError if no file has subscriptions; it says what was expected."""
    return _Proposer(folder, ask, default_currency).proposal()


class _Proposer:
    def __init__(self, folder: Folder, ask: Ask, default_currency: str) -> None:
        self.folder, self.ask, self.default_currency = folder, ask, default_currency
        self.roles: dict[str, File] = {}
        self.used: set[str] = set()
        self.currencies: set[str] = set()

    def proposal(self) -> Proposal:
        self.roles = self._assigned()
        if _BILLING not in self.roles:
            there = "; ".join(f"{f.pattern}: {', '.join(f.columns)}" for f in self.folder.files) or "no files"
            raise LookupError(
                "no file looks like subscriptions: one row per subscription with an account, a start date and a "
                f"price (such as mrr, arr, or amount and interval). Looked at {there}"
            )
        names = [spec.name for spec in EXTRACTS if spec.name in self.roles or spec.name == _ACCOUNTS]
        blocks = [self._accounts_of_billing() if n not in self.roles else self._block(n) for n in names]
        unused = [f.pattern for f in self.folder.files if f.pattern not in self.used]
        head = [
            "# Proposed by `segmentation init`: read it, and correct what is wrong.",
            "# `segmentation check-sources` says how it is read, and what is wrong with it.",
            "version: 1", "extracts:",
        ]  # fmt: skip
        text = "\n".join([*head, *(line for block in blocks for line in block), ""])
        only = next(iter(self.currencies)) if len(self.currencies) == 1 else None
        return Proposal(text, names, unused, only)

    # -- files

    def _assigned(self) -> dict[str, File]:
        """The file of each extract. Each file is used once, the best fits first."""
        fits = [
            (score, spec.name, file)
            for spec in EXTRACTS
            for file in self.folder.files
            if (score := self._fit(file, spec.name))
        ]
        roles: dict[str, File] = {}
        for _, name, file in sorted(fits, key=lambda fit: (-fit[0], fit[1], fit[2].pattern)):
            if name not in roles and file not in roles.values():
                roles[name] = file
        return roles

    def _fit(self, file: File, extract: str) -> int:
        """A score of how well a file fits an extract; 0: not at all."""
        matched = self._matched(file, extract)
        schema = schema_of(_SPECS[extract].contract).columns
        own = headers.names_of(extract)
        needs = _NEEDS.get(extract) or tuple(c for c in own if not schema[c].nullable and c not in _FILLED)
        if any(need not in matched for need in needs) or (extract == _BILLING and not self._prices(file)):
            return 0
        if extract == _USAGE and not {"user_id", "account_id"} & {*matched}:
            return 0
        stem, folder = file.pattern.rpartition("/")[2], file.pattern.rpartition("/")[0]
        pattern = headers.FILES.get(extract, re.escape(headers.plain(extract)))
        hint = 6 * bool(re.search(pattern, headers.plain(stem))) + 2 * bool(re.search(pattern, headers.plain(folder)))
        if not hint and extract not in (_ACCOUNTS, _BILLING) and len(matched) <= len(needs):
            return 0
        is_key = extract != _ACCOUNTS or file.columns[matched["account_id"]].is_key
        return max(hint + len(matched) + len(needs) + (3 if extract == _BILLING else 0) - 6 * (not is_key), 0)

    def _matched(self, file: File, extract: str) -> dict[str, str]:
        """The file's column for each column of the contract, by name. Each is used once."""
        by_name = {headers.plain(c): c for c in reversed(file.columns)}
        by_name |= {headers.bare(c): c for c in reversed(file.columns) if headers.bare(c) not in by_name}
        types = ibis_schema(_SPECS[extract].contract)
        ranked = sorted(
            (rank, place, column, by_name[name])
            for place, (column, names) in enumerate(headers.names_of(extract).items())
            for rank, name in enumerate(names)
            if name in by_name and _may_be(file.columns[by_name[name]], types[column])
        )
        matched: dict[str, str] = {}
        for _, _, column, source in ranked:
            if column not in matched and source not in matched.values():
                matched[column] = source
        return matched

    def _prices(self, file: File) -> bool:
        names = {headers.bare(c) for c, column in file.columns.items() if column.kind == NUMBER}
        return bool(names & {*headers.MONTHLY, *headers.YEARLY, *headers.AMOUNT, *headers.UNIT})

    # -- columns

    def _block(self, extract: str) -> list[str]:
        file = self.roles[extract]
        self.used.add(file.pattern)
        matched = self._with_account(file, extract, self._matched(file, extract))
        joins = [*self._joins(file, extract, matched)]
        lines = [f"  {extract}:", f"    path: {quoted(file.pattern)}" + _of_drops(file)]
        lines += self._format(file)
        lines += self._query(joins)
        columns = [*self._columns(file, extract, matched, joins)]
        lines += ["    columns:", *columns] if columns else []
        lines += self._values(file, extract, matched)
        lines += self._nulls(file, matched)
        if extract == _BILLING:
            lines += [*self._drops(file, matched), *self._ends(file, matched)]
        if extract == _USAGE:
            lines += self._events(file, matched)
        return lines

    def _accounts_of_billing(self) -> list[str]:
        file = self.roles[_BILLING]
        column = self._with_account(file, _BILLING, self._matched(file, _BILLING)).get("account_id")
        return [
            f"  {_ACCOUNTS}:                # no file lists accounts: they are read from the subscriptions",
            f"    path: {quoted(file.pattern)}", *self._format(file),
            "    distinct: true", "    columns:", f"      account_id: {quoted(column or 'account_id')}",
            *(f"      {c}: null" for c in headers.names_of(_ACCOUNTS) if c != "account_id" and c in file.columns),
        ]  # fmt: skip

    def _format(self, file: File) -> list[str]:
        return [f"    format: {{encoding: {file.encoding}}}"] if file.encoding != "utf-8" else []

    def _with_account(self, file: File, extract: str, matched: dict[str, str]) -> dict[str, str]:
        """Add the column with account ids, chosen by its header and its values."""
        accounts = self.roles.get(_ACCOUNTS)
        if extract == _ACCOUNTS or accounts is None or "account_id" not in headers.names_of(extract):
            return matched
        key = self._matched(accounts, _ACCOUNTS)["account_id"]
        named = matched.get("account_id")
        if named and self.folder.share_in((file, named), (accounts, key)) >= _COVERED:
            return matched
        taken = {c for name, c in matched.items() if name != "account_id"}
        free = [c for c, column in file.columns.items() if c not in taken and column.kind not in (DATE, EMPTY)]
        shares = [(self.folder.share_in((file, c), (accounts, key)), c) for c in free]
        best = max(shares, default=(0.0, ""))
        rest = {name: c for name, c in matched.items() if name != "account_id"}
        return rest | ({"account_id": best[1]} if best[0] >= _COVERED else {})

    def _joins(self, file: File, extract: str, matched: Mapping[str, str]) -> Iterator[Join]:
        """Joins to other files that have columns which are not filled yet."""
        wanted = {c for c in headers.names_of(extract) if c not in matched}
        others = [f for f in self.folder.files if f is not file and f not in self.roles.values()]
        if "account_id" in wanted and _USERS in self.roles and extract == _USAGE:
            others.insert(0, self.roles[_USERS])
        for other in others:
            there = self._matched(other, extract)
            if other is self.roles.get(_USERS):
                there = {c: s for c, s in self._with_account(other, _USERS, there).items() if c == "account_id"}
            for on, key in product(file.columns, other.columns):
                brings = {c: s for c, s in there.items() if c in wanted and s != key}
                if not brings or not other.columns[key].is_key or file.columns[on].kind == DATE:
                    continue
                if self.folder.share_in((file, on), (other, key)) >= _JOINED:
                    self.used.add(other.pattern)
                    wanted -= {*brings}
                    yield Join(other, _table_name(other), on, key, brings)
                    break

    def _query(self, joins: Sequence[Join]) -> list[str]:
        if not joins:
            return []
        chosen = "".join(f", {j.name}.{identifier(c)} AS {j.alias(c)}" for j in joins for c in j.columns.values())
        on = " ".join(
            f"LEFT JOIN {j.name} ON CAST({j.name}.{identifier(j.key)} AS VARCHAR) = "
            f"CAST(source.{identifier(j.on)} AS VARCHAR)"
            for j in joins
        )
        tables = ", ".join(f"{j.name}: {{path: {quoted(j.file.pattern)}}}" for j in joins)
        said = "; ".join(f"{', '.join(j.columns)} by {j.on}" for j in joins)
        return [
            f"    tables: {{{tables}}}   # {said}",
            f"    query: {quoted(f'SELECT source.*{chosen} FROM source {on}')}",
        ]

    def _columns(self, file: File, extract: str, matched: Mapping[str, str], joins: Sequence[Join]) -> Iterator[str]:
        types = ibis_schema(_SPECS[extract].contract)
        joined = {c: (j, s) for j in joins for c, s in j.columns.items()}
        for column in headers.names_of(extract):
            if column == "mrr":
                yield from self._price(file, matched)
            elif column == "currency":
                yield from self._currency(file, matched)
            elif column in joined:
                join, source = joined[column]
                yield f"      {column}: {join.alias(source)}   # of {join.file.pattern}, by {join.on}"
            elif column in matched:
                yield from self._column(column, file.columns[matched[column]], types[column])
            elif column == "subscription_id":
                parts = (matched.get("account_id", "account_id"), matched["start_date"])
                both = "concat(" + ", '/', ".join(map(name_sql, parts)) + ")"
                yield f"      subscription_id: {{sql: {quoted(both)}}}   # no column is its id"
            elif column in file.columns:
                yield f"      {column}: null   # the column of that name does not look like one"

    def _column(self, name: str, column: Column, kind: object) -> Iterator[str]:
        what = _kind_of(kind)
        said: list[str] = []
        comment = ""
        if what == "date" and column.kind == NUMBER:
            said.append(f"format: {counted_from(column.values) or 'epoch'}")
        elif what == "date" and column.forms:
            form = self._form(column)
            said.append(f"format: {quoted(form)}")
            comment = f"   # such as {column.values[0]}"
        elif what == "number" and column.notation:
            said.append(column.notation.strip("{}"))
            comment = f"   # such as {column.values[0]}"
        if headers.is_in_cents(column.name) and what == "number":
            said.append("divide_by: 100")
        if said:
            yield f"      {name}: {{column: {quoted(column.name)}, {', '.join(said)}}}{comment}"
        elif column.name != name:
            yield f"      {name}: {quoted(column.name)}" + (
                "   # ranges: the middle of each" if column.kind == RANGE else ""
            )

    def _form(self, column: Column) -> str:
        if len(column.forms) == 1:
            return column.forms[0]
        first, second = column.forms[:2]
        return self.ask(
            Question(
                f"Dates in {column.name} such as {column.values[0]} can be read in two ways",
                {first: "as " + first, second: "as " + second}, first,
            )
        )  # fmt: skip

    # -- money

    def _price(self, file: File, matched: Mapping[str, str]) -> Iterator[str]:
        def named(words: Sequence[str]) -> str | None:
            by_name = {headers.bare(c): c for c in file.columns if file.columns[c].kind == NUMBER}
            return next((by_name[w] for w in words if w in by_name), None)

        interval = next((c for w in headers.INTERVAL for c in file.columns if headers.plain(c) == w), None)
        for words, months in ((headers.MONTHLY, 1), (headers.YEARLY, 12)):
            if column := named(words):
                yield self._divided(
                    file.columns[column], months, f"{column} is per {'month' if months == 1 else 'year'}"
                )
                return
        unit, amount = named(headers.UNIT), named(headers.AMOUNT)
        column = file.columns[unit or amount or ""]
        quantity = matched.get("seats") if unit else None
        times = f" * {_number(file.columns[quantity])}" if quantity else ""
        cents = " / 100" if headers.is_in_cents(column.name) else ""
        months = _months(file.columns[interval]) if interval else {}
        if months and interval:
            cases = " ".join(f"WHEN {literal(word)} THEN {n}" for word, n in months.items())
            per = f"CASE lower(trim(CAST({name_sql(interval)} AS VARCHAR))) {cases} END"
            each = f"{column.name}{f' × {quantity}' if quantity else ''}{' in cents' if cents else ''}"
            sql = f"{_number(column)}{times}{cents} / {per}"
            yield f"      mrr: {{sql: {quoted(sql)}}}   # {each}, divided by the months of {interval}"
            return
        answer = self.ask(
            Question(f"What is {column.name} in {file.pattern} for?",
                     {"month": "a month", "quarter": "three months", "year": "a year"}, "month")
        )  # fmt: skip
        length = headers.MONTHS[answer]
        if quantity:
            sql = f"{_number(column)}{times}{cents} / {length}"
            yield f"      mrr: {{sql: {quoted(sql)}}}   # {column.name} × {quantity}, per {answer}"
        else:
            yield self._divided(column, length, f"ASSUMED: the amount per {answer}")

    def _divided(self, column: Column, months: int, comment: str) -> str:
        divisor = months * (100 if headers.is_in_cents(column.name) else 1)
        said = [column.notation.strip("{}")] if column.notation else []
        said += [f"divide_by: {divisor}"] if divisor > 1 else []
        if not said:
            return f"      mrr: {quoted(column.name)}   # {comment}"
        return f"      mrr: {{column: {quoted(column.name)}, {', '.join(said)}}}   # {comment}"

    def _currency(self, file: File, matched: Mapping[str, str]) -> Iterator[str]:
        column = file.columns[matched["currency"]] if "currency" in matched else None
        codes = {value.upper() for value in column.values} if column else set()
        if column and all(re.fullmatch("[A-Z]{3}", code) for code in codes) and column.filled == column.rows:
            self.currencies |= codes
            if codes == {*column.values}:
                yield from self._column("currency", column, None)
            else:
                upper = quoted(f"upper({name_sql(column.name)})")
                yield f"      currency: {{sql: {upper}}}   # codes are in capitals"
            return
        signs = {"$": "USD", "€": "EUR", "£": "GBP"}
        named = {headers.currency_in(c) for c in file.columns} - {None}
        named |= {
            code for c in file.columns.values() for sign, code in signs.items() if c.notation and sign in c.values[0]
        }
        if len(named) == 1:
            (code,) = named
            reason = "the header, or a sign, says so"
        else:
            answers = {c: c for c in (self.default_currency, "EUR", "GBP", "USD")}
            text = f"No column of {file.pattern} says its currency. Which is it?"
            code = self.ask(Question(text, answers, self.default_currency))
            reason = "ASSUMED: no column says it"
        self.currencies.add(code or "")
        yield f"      currency: {{constant: {code}}}   # {reason}"

    # -- the rest

    def _values(self, file: File, extract: str, matched: Mapping[str, str]) -> list[str]:
        lines = []
        for column, source in matched.items():
            words = allowed_words(_SPECS[extract].contract, column)
            if not words:
                continue
            texts = [v for v in file.columns[source].values if not is_nothing(v)]
            said = {v: our_word(v, words) for v in texts if v not in words}
            pairs = ", ".join(f"{quoted(v)}: {'null' if ours == '...' else ours}" for v, ours in said.items())
            lines += [f"      {column}: {{{pairs}}}   # theirs: ours"] if pairs else []
        return ["    values:", *lines] if lines else []

    def _nulls(self, file: File, matched: Mapping[str, str]) -> list[str]:
        words = sorted({v for c in matched.values() for v in file.columns[c].values if is_nothing(v)})
        return [f"    nulls: [{', '.join(map(quoted, words))}]   # words that mean nothing"] if words else []

    def _ends(self, file: File, matched: Mapping[str, str]) -> list[str]:
        """Whether end dates are last days: compares the days of the month of starts and ends."""
        if "end_date" not in matched or file.columns[matched["end_date"]].kind != DATE:
            return []
        start, end = (_day(file.columns[matched[c]]) for c in ("start_date", "end_date"))
        ended = f"(SELECT {start} AS a, {end} AS e FROM {file.table}) WHERE a IS NOT NULL AND e IS NOT NULL"
        on = self.folder.number(f"SELECT count(*) FROM {ended} AND day(e) = day(a)")
        before = self.folder.number(f"SELECT count(*) FROM {ended} AND day(e + 1) = day(a)")
        if before == on:
            text = f"Is {matched['end_date']} the last day of a subscription, or the first day after it?"
            answers = {"after": "the first day after it", "last": "the last day, which is still paid for"}
            is_last = self.ask(Question(text, answers, "after")) == "last" if before + on else False
        else:
            is_last = before > on
        if not is_last:
            return []
        evidence = f"{before:,.0f} of {before + on:,.0f} periods end the day before the next one would start"
        return [f"    ends: last_day   # {evidence}"]

    def _drops(self, file: File, matched: Mapping[str, str]) -> list[str]:
        """Dated drops that repeat most rows of the drop before are whole states, not changes."""
        if file.before is None:
            return []
        ids = identifier(matched.get("subscription_id") or matched["start_date"])
        there = self.folder.number(f"SELECT count(DISTINCT {ids}) FROM {file.before}")
        again = self.folder.number(
            f"SELECT count(DISTINCT {ids}) FROM {file.before} WHERE {ids} IN (SELECT {ids} FROM {file.table})"
        )
        if again < _COVERED * there:
            return []
        return [f"    drops: snapshots   # {again:,.0f} of {there:,.0f} ids of a drop are in the next one again"]

    def _events(self, file: File, matched: Mapping[str, str]) -> list[str]:
        counts = matched.get("event_count")
        if counts is None:
            return ["    rows_are: events   # no column counts them: each row is one event"]
        key = ", ".join(
            identifier(matched[c]) for c in ("account_id", "user_id", "usage_date", "feature") if c in matched
        )
        keys = self.folder.number(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {file.table})")
        if keys == file.rows:
            return []
        return [f"    rows_are: events   # several rows of one day and user: {counts} is summed"]


def _may_be(column: Column, kind: object) -> bool:
    """Whether a column's values can have a contract's type."""
    what = _kind_of(kind)
    if column.kind == EMPTY or what in ("text", "flag"):
        return True
    if what == "date":
        return column.kind == DATE or (column.kind == NUMBER and counted_from(column.values) is not None)
    return column.kind in (NUMBER, RANGE)


def _kind_of(kind: object) -> str:
    name = type(kind).__name__.lower()
    return {"date": "date", "timestamp": "date", "int64": "number", "float64": "number", "boolean": "flag"}.get(
        name, "text"
    )


def _of_drops(file: File) -> str:
    return f"   # {file.drops} dated drops" if file.drops > 1 else ""


def _table_name(file: File) -> str:
    stem = file.pattern.rpartition("/")[2].partition(".")[0]
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "other"
    return f"t_{name}" if not name[0].isalpha() or name == "source" or name_sql(name) != name else name


def _months(column: Column) -> dict[str, int]:
    """The months that a price is for, by word of a column. Empty if a word is unknown."""
    lengths = {value.strip().lower(): headers.MONTHS.get(headers.plain(value)) for value in column.values}
    return {w: n for w, n in lengths.items() if n} if all(lengths.values()) else {}


def _number(column: Column) -> str:
    """SQL for a number from a column's text."""
    name = name_sql(column.name)
    if column.notation is None:
        return f"TRY_CAST({name} AS DOUBLE)"
    if "money" in column.notation:
        return f"TRY_CAST(regexp_replace(replace({name}, ',', ''), '[^0-9.-]', '', 'g') AS DOUBLE)"
    text = name
    thousands = re.search(r"thousands: (.)(.)\1", column.notation)
    if thousands:
        text = f"replace({text}, {literal(thousands[2])}, '')"
    if 'decimal: ","' in column.notation:
        text = f"replace({text}, ',', '.')"
    return f"TRY_CAST({text} AS DOUBLE)"


def _day(column: Column) -> str:
    text = f"trim(CAST({identifier(column.name)} AS VARCHAR))"
    if column.forms:
        return f"CAST(TRY_STRPTIME({text}, {literal(column.forms[0])}) AS DATE)"
    return f"TRY_CAST({text} AS DATE)"
