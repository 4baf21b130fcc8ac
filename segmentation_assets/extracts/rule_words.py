"""A broken rule in plain words: how many rows are wrong, what is expected, and what to write.

Here: sentences and lines of the mapping per kind of rule. Not here: which rows break a rule (`rehearsal`), or advice
for unreadable texts (`advice`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segmentation_assets.extracts.advice import Place, name_sql, quoted, to_code, to_read, to_translate
from segmentation_assets.extracts.casting import expected
from segmentation_assets.extracts.contracts import natural_key
from segmentation_assets.extracts.delivered import Delivery
from segmentation_assets.extracts.detective import Detective
from segmentation_assets.extracts.judging import MUST_BE
from segmentation_assets.extracts.rehearsal import REPEATED, REPEATED_ALIKE, Broken, Counts
from segmentation_assets.extracts.sources import Sources
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.tables.contracts import Contract, ibis_schema, schema_of

_BOUNDS = {
    "greater_than_or_equal_to": "at least", "greater_than": "more than", "less_than_or_equal_to": "at most",
    "less_than": "less than", "in_range": "between",
}  # fmt: skip
_VERSION = re.compile(r"updated|modified|changed|synced|loaded|version|extracted", re.IGNORECASE)
_BILLING, _USAGE = "billing_subscriptions", "product_usage"
_HALF = 0.5
_HUNDRED = 100


@dataclass(frozen=True)
class Said:
    """The message about a broken rule. `example` replaces the most frequent text."""

    problem: str
    expected: str | None
    advice: str
    example: str | None = None
    has_example: bool = True


@dataclass(frozen=True)
class RuleWords:
    """Messages about the rules that a delivery breaks."""

    delivery: Delivery
    counts: Counts
    company: CompanyPolicy
    sources: Sources
    detective: Detective

    def of(self, broken: Broken) -> Said:
        """The message about one rule."""
        if broken.reason.rule in (REPEATED, REPEATED_ALIKE):
            return self._repeated(broken)
        if broken.reason.column is None:
            return self._over_the_row(broken)
        rule = broken.rule
        if rule.startswith(MUST_BE):
            return self._type(broken)
        if rule == "not null":
            return self._missing(broken)
        if rule.startswith("isin"):
            words = allowed_words(self.delivery.spec.contract, broken.reason.column)
            advice = to_translate(self._place(broken), words, broken.texts)
            return Said(f"{self._share(broken)} values are not known", "one of " + ", ".join(words), advice)
        if rule == "finite":
            return self._not_finite(broken)
        if rule.startswith("str_matches"):
            advice = to_code(self._place(broken), broken.texts)
            return Said(f"{self._share(broken)} values are not currency codes", "a code such as USD", advice)
        if rule.startswith("unknown currency"):
            return self._currency(broken)
        if rule.startswith("unknown") or rule == "account_id is not the user's":
            return self._reference(broken)
        return self._out_of_bounds(broken)

    def _share(self, broken: Broken) -> str:
        return f"{broken.rows} of {self.counts.rows}"

    def _place(self, broken: Broken) -> Place:
        return Place(self.delivery.source, broken.reason.column or "")

    def _kind(self, broken: Broken) -> str:
        return type(ibis_schema(self.delivery.spec.contract)[broken.reason.column]).__name__.lower()

    def _type(self, broken: Broken) -> Said:
        wanted = expected(ibis_schema(self.delivery.spec.contract)[broken.reason.column])
        advice = to_read(self._place(broken), self._kind(broken), broken.texts)
        return Said(f"{self._share(broken)} values cannot be read", wanted, advice)

    def _missing(self, broken: Broken) -> Said:
        wanted = expected(ibis_schema(self.delivery.spec.contract)[broken.reason.column])
        advice = 'map another column, a constant, or an expression such as {sql: "coalesce(a, b)"}'
        if broken.reason.column == "account_id":
            advice = f"these rows are left out; if they have an account, {advice}"
        return Said(f"{self._share(broken)} values are missing", wanted, advice, has_example=False)

    def _not_finite(self, broken: Broken) -> Said:
        column = broken.reason.column or ""
        is_empty = schema_of(self.delivery.spec.contract).columns[column].nullable
        nothing = f"write nulls: [{', '.join(map(quoted, sorted(set(broken.texts))))}]"
        where = f"isfinite(TRY_CAST({name_sql(self._place(broken).read_from)} AS DOUBLE))"
        advice = (
            nothing if is_empty else f"correct them at the source, or leave these rows out: where: {quoted(where)}"
        )
        return Said(f"{self._share(broken)} values are not finite", "a number", advice)

    def _out_of_bounds(self, broken: Broken) -> Said:
        place, rule, _, bound = self._place(broken), *broken.rule.partition(" ")
        wanted = f"{_BOUNDS.get(rule, rule.replace('_', ' '))} {bound.replace(', ', ' and ')}"
        name = name_sql(place.read_from)
        is_most = broken.rows > _HALF * self.counts.rows
        numbers = [float(text) for text in broken.texts if re.fullmatch(r"-?\d+(\.\d+)?", text)]
        advice = f"correct them at the source, or leave these rows out with where: a condition on {name}"
        if is_most and numbers and all(number < 0 for number in numbers):
            advice = "if the signs are turned around, " + place.with_form(sql="-value")
        elif broken.reason.column == "csat" and numbers and 5 < max(numbers) <= _HUNDRED:
            advice = "if the scale is 0 to 100, " + place.with_form(sql="1 + value / 25")
        elif rule == "str_length":
            advice = "map a column that has an id in every row"
        return Said(f"{self._share(broken)} values are out of bounds", wanted, advice)

    def _currency(self, broken: Broken) -> Said:
        codes = ", ".join(sorted(set(broken.texts))[:5])
        ours = self.company.reporting_currency
        if broken.rows == self.counts.rows and len(set(broken.texts)) == 1:
            advice = f"write company: {{reporting_currency: {codes}}} in the policy, or map fx_rates with rates of it"
        else:
            advice = f"map fx_rates with a rate to {ours} for each"
        return Said(f"{self._share(broken)} rows are in {codes}, which has no rate", f"{ours} or a rate", advice)

    def _reference(self, broken: Broken) -> Said:
        column = broken.reason.column or ""
        whose = "product_users" if column == "user_id" else "crm_accounts"
        if broken.reason.rule == "account_id is not the user's":
            what = f"{self._share(broken)} rows name another account than product_users has for the user"
            return Said(what, None, "make account_id agree: write the same account in both")
        if not broken.reason.refuses:
            what = f"{self._share(broken)} rows name an account that {whose} does not have"
            return Said(what, None, "it is left empty; export that account too if it matters")
        what = f"{self._share(broken)} rows have {_a(column)} that {whose} does not have"
        things = "users" if whose == "product_users" else "accounts"
        advice = (
            f"export those {things} too, map the column that has the ids of {whose}, or leave these rows out with "
            "where: ..."
        )
        return Said(what, f"an id of {whose}", advice)

    def _over_the_row(self, broken: Broken) -> Said:
        what = f"{self._share(broken)} rows break the rule: {broken.reason.rule.replace('_', ' ')}"
        if broken.reason.rule != "end_after_start":
            return Said(what, None, "correct them at the source, or leave these rows out with where: ...")
        days = [re.findall(r"\d{4}-\d\d-\d\d", text) for text in broken.texts]
        start, end = (name_sql(Place(self.delivery.source, c).read_from) for c in ("start_date", "end_date"))
        leave_out = f"leave them out, write where: {quoted(f'{end} IS NULL OR {end} > {start}')}"
        advice = f"see which column is which, or {leave_out}"
        if all(len(pair) > 1 and pair[0] == pair[1] for pair in days):
            what = f"{self._share(broken)} rows end on the day they start: they bill nothing"
            advice = f"if end_date is the last day of the terms, write ends: last_day; else {leave_out}"
        return Said(what, "an end after the start", advice)

    def _repeated(self, broken: Broken) -> Said:
        name, key = self.delivery.spec.name, ", ".join(natural_key(self.delivery.spec.contract))
        if broken.reason.rule == REPEATED_ALIKE:
            return Said(f"{self._share(broken)} rows are repeated ({key})", None, "write distinct: true")
        what = f"{self._share(broken)} rows repeat the key of another ({key}) with other values"
        if name == _USAGE:
            return Said(what, None, "if rows are events, or parts of a day, write rows_are: events; they are summed")
        versions = [c for c in self.delivery.raw.columns if _VERSION.search(c)]
        if versions:
            return Said(what, None, f"if they are versions of one row, write newest_by: {quoted(versions[0])}")
        if name == _BILLING:
            item = self.detective.id_of_each_row(self.delivery)
            return Said(
                what, None,
                f"if each row is an item that is paid by itself, write columns: {{subscription_id: {item}}}",
            )  # fmt: skip
        first = natural_key(self.delivery.spec.contract)[0]
        return Said(what, None, f"map a column that is different in every row under columns: {{{first}: ...}}")


def _a(word: str) -> str:
    return ("an " if word[0] in "aeio" else "a ") + word


def allowed_words(contract: type[Contract], column: str) -> list[str]:
    """The words that a column may contain."""
    checks = schema_of(contract).columns[column].checks
    return [str(word) for check in checks if check.name == "isin" for word in check.statistics["allowed_values"]]
