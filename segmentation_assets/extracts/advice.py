"""Advice for unreadable values: which line in the mapping reads them, worked out from the values.

Here: the form of a column's texts, and the key of the mapping that reads this form. Not here: finding the values
(`checking`), or what valid values may mean (`detective`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segmentation_assets.extracts.casting import WITH_RANGES
from segmentation_assets.extracts.sources import ExtractSource, FromColumn, source_column
from segmentation_assets.warehouse.sql_text import identifier

_NOTHING = frozenset(
    [
        "n/a",
        "na",
        "n.a.",
        "#n/a",
        "none",
        "null",
        "nil",
        "nan",
        "nat",
        "undefined",
        "unknown",
        "tbd",
        "tba",
        "-",
        "--",
        "---",
        "–",
        "—",
        "?",
        ".",
        "0000-00-00",
    ]
) | {"not available", "not set", "no data", "0000-00-00 00:00:00"}
"""Words that people and tools write for a missing value, in lower case."""
_DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%d-%b-%Y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%y",
    "%Y-%m-%d",
)  # fmt: skip
_TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %I:%M %p",
    "T%H:%M:%S",
    " %H:%M:%S UTC",
)
_COUNTS: Mapping[str, str] = {
    r"\d{9,10}(\.\d+)?": "epoch", r"\d{12,13}": "epoch_ms", r"\d{15,16}": "epoch_us", r"[2-7]\d{4}(\.\d+)?": "excel",
}  # fmt: skip
"""Patterns of dates that count seconds, milliseconds or microseconds since 1970, or days since the end of 1899."""
_NOTATIONS: Mapping[str, str] = {
    '{thousands: ","}': r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d+(\.\d+)?",
    '{decimal: ","}': r"[+-]?\d+,\d+|[+-]?\d+",
    '{decimal: ",", thousands: "."}': r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?|[+-]?\d+(,\d+)?",
    '{thousands: " "}': r"[+-]?\d{1,3}( \d{3})+(\.\d+)?|[+-]?\d+(\.\d+)?",
    '{decimal: ",", thousands: " "}': r"[+-]?\d{1,3}( \d{3})*(,\d+)?|[+-]?\d+(,\d+)?",
    '{thousands: "\'"}': r"[+-]?\d{1,3}('\d{3})+(\.\d+)?|[+-]?\d+(\.\d+)?",
}
_POINTS_GROUP = '{thousands: ".", decimal: ","}'
_OF_WHOLE = r"[+-]?\d{1,3}(\.\d{3})+"
_MONEY = re.compile(
    r"\(?\s*-?\s*([A-Z]{3}|[^\w\s.,()-])?\s*-?\d[\d.,' \u00a0\u202f]*\s*([A-Z]{3}|[^\w\s.,()-])?\s*-?\)?"
)
_SAME: Mapping[str, str] = {
    "medium": "normal", "moderate": "normal", "standard": "normal", "default": "normal", "major": "high",
    "critical": "urgent", "blocker": "urgent", "highest": "urgent", "minor": "low", "trivial": "low", "lowest": "low",
    "p1": "urgent", "p2": "high", "p3": "normal", "p4": "low", "1": "urgent", "2": "high", "3": "normal", "4": "low",
    "closedwon": "won", "closed won": "won", "closedlost": "lost", "closed lost": "lost", "prospecting": "open",
    "qualification": "open", "negotiation": "open", "proposal": "open", "in progress": "open", "pipeline": "open",
    "new business": "new", "newbusiness": "new", "new logo": "new", "upsell": "expansion", "cross-sell": "expansion",
    "upgrade": "expansion", "existing business": "expansion", "existingbusiness": "expansion", "add-on": "expansion",
    "renew": "renewal", "help center": "knowledge_base", "docs": "knowledge_base", "kb": "knowledge_base",
    "bot": "chatbot", "chat": "chatbot", "forum": "community", "newsletter": "email", "conference": "event",
    "phone": "call", "qbr": "business_review", "ebr": "business_review", "zoom": "meeting", "jr": "associate",
    "junior": "associate", "sr": "senior", "lead": "senior", "principal": "senior", "rival": "competitor",
    "partner": "complementary", "internal": "us", "agent": "us", "outbound": "us", "inbound": "customer",
    "client": "customer", "net promoter score": "nps", "satisfaction": "csat", "effort": "ces",
}  # fmt: skip
"""Words of other systems, in lower case, and our word for each."""
_RESERVED = re.compile(
    "all|analyse|analyze|and|anti|any|array|as|asc|asof|at|authorization|binary|both|by|case|cast|check|"
    "collate|column|columns|concurrently|constraint|create|cross|default|desc|describe|distinct|do|else|"
    "end|except|false|fetch|for|foreign|freeze|from|full|generated|glob|group|having|ilike|in|initially|"
    "inner|intersect|interval|into|is|isnull|join|lambda|lateral|leading|left|like|limit|map|natural|not|"
    "notnull|null|offset|on|only|or|order|outer|overlaps|pivot|placing|positional|primary|qualify|"
    "references|returning|right|select|semi|show|similar|some|struct|summarize|symmetric|table|then|to|"
    "trailing|true|try_cast|tuple|union|unique|unpack|unpivot|using|variadic|verbose|when|where|window|"
    "with"
)
"""SQL keywords. As names they need quotes."""
_YAML_WORDS = {"null", "yes", "no", "true", "false", "on", "off", "y", "n"}
_SIGNS: Mapping[str, str] = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "CHF": "CHF"}
_YES, _NO = (
    {"ja", "oui", "si", "sí", "x", "yes", "y", "true", "active", "enabled"},
    {"nein", "non", "no", "n", "false"},
)


@dataclass(frozen=True)
class Place:
    """The origin of a column's texts: the mapping of its extract, and the column of the contract."""

    source: ExtractSource
    column: str

    @property
    def read_from(self) -> str:
        """The source column; if an expression or a constant fills it, the contract's column."""
        return source_column(self.source.columns.get(self.column, self.column)) or self.column

    def with_nulls(self, word: str) -> str:
        """The line that reads a word of the column as null."""
        return f"write columns: {{{self.column}: {{column: {quoted(self.read_from)}, nulls: [{quoted(word)}]}}}}"

    def with_form(self, **said: str) -> str:
        """The line that maps the column with further keys."""
        origin = self.source.columns.get(self.column)
        kept = origin.model_dump(exclude_defaults=True) if isinstance(origin, FromColumn) else {}
        kept.pop("column", None)
        parts = "".join(f", {key}: {quoted(str(value))}" for key, value in {**kept, **said}.items())
        return f"write columns: {{{self.column}: {{column: {quoted(self.read_from)}{parts}}}}}"


def is_nothing(text: str) -> bool:
    """Whether people write this for a missing value."""
    return text.strip().lower() in _NOTHING


def forms_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The strptime formats that read all texts, the usual ones first. Empty if the texts are not dates."""
    return tuple(_forms_of(texts))


def counted_from(texts: Sequence[str]) -> str | None:
    """What numeric dates count, in the mapping's word such as `epoch`; None if they are not numeric dates."""
    return next((name for pattern, name in _COUNTS.items() if all(re.fullmatch(pattern, t) for t in texts)), None)


def notation_of(texts: Sequence[str]) -> str | None:
    """The keys of the mapping that read all texts as numbers; None if there are none."""
    for keys, pattern in _NOTATIONS.items():
        if all(re.fullmatch(pattern, text) for text in texts):
            return keys
    return "{format: money}" if all(_MONEY.fullmatch(text.strip()) for text in texts) else None


def to_read(place: Place, kind: str, values: Sequence[str]) -> str:
    """What to write so that `values` are read. They are the most frequent texts that cannot be read as `kind`."""
    empty = [value for value in values if is_nothing(value)]
    rest = [value for value in values if value not in empty]
    parts = [f"write nulls: [{', '.join(map(quoted, _sorted(empty)))}]"] if empty else []
    if rest:
        make: Mapping[str, Callable[[Place, Sequence[str]], str]] = {
            "date": _date, "timestamp": _time, "int64": _whole, "float64": _number, "boolean": _flag,
        }  # fmt: skip
        parts.append(make[kind](place, rest))
    return "; and ".join(parts)


def _date(place: Place, values: Sequence[str]) -> str:
    return _moment(place, values, "date_format")


def _time(place: Place, values: Sequence[str]) -> str:
    return _moment(place, values, "datetime_format")


def _moment(place: Place, values: Sequence[str], key: str) -> str:
    forms = [*_forms_of(values)]
    before = _form_said(place, key)
    counted = counted_from(values)
    if counted and not forms:
        return place.with_form(format=counted)
    if not forms or forms == [before]:
        fits, form = max(((sum(_reads(v, f) for v in values), f) for f in _forms()), default=(0, ""))
        shown = ", ".join(map(repr, values[:3]))
        says = f"{key} is {before}, which does not read {shown}" if before else f"no single format reads {shown}"
        some = f'; "{form}" reads {fits} of {len(values)} of them' if fits and form != before else ""
        return f"{says}{some}: correct them at the source, or write columns: {{{place.column}: {{sql: ...}}}}"
    shown = forms[0] + (f" (or {forms[1]}: all values fit both)" if len(forms) > 1 else "")
    if before:
        return place.with_form(format=forms[0]) + (f" (or {forms[1]}: all values fit both)" if len(forms) > 1 else "")
    return (
        f'set format: {{{key}: "{shown}"}}'
        if len(forms) == 1
        else f'set format: {{{key}: "{forms[0]}"}} (or {forms[1]})'
    )


def _form_said(place: Place, key: str) -> str | None:
    """The format that the mapping has already."""
    origin = place.source.columns.get(place.column)
    own = origin.format if isinstance(origin, FromColumn) else None
    return own or getattr(place.source.format, key)


def _forms() -> Iterator[str]:
    return (day + time for time in _TIMES for day in _DAYS)


def _forms_of(values: Sequence[str]) -> Iterator[str]:
    """The formats that read all values, the usual ones first."""
    return (form for form in _forms() if all(_reads(value, form) for value in values))


def _reads(value: str, form: str) -> bool:
    if "%Y" not in form and not re.search(r"\d{1,2}\D\w+\D\d\d(?!\d)", value):
        return False
    try:
        datetime.strptime(value.strip(), form)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True


def _whole(place: Place, values: Sequence[str]) -> str:
    return _digits(place, values, is_whole=True)


def _number(place: Place, values: Sequence[str]) -> str:
    return _digits(place, values, is_whole=place.column in WITH_RANGES)


def _digits(place: Place, values: Sequence[str], *, is_whole: bool) -> str:
    if is_whole and all(re.fullmatch(_OF_WHOLE, value) for value in values):
        return f"set format: {_POINTS_GROUP}"
    notation = notation_of(values)
    if notation:
        return place.with_form(format="money") if "money" in notation else f"set format: {notation}"
    return (
        f"map another column, or take the number out of the text under columns: {{{place.column}: {{sql: ...}}}}, "
        f"or translate words under values: {{{place.column}: ...}}"
    )


def _flag(place: Place, values: Sequence[str]) -> str:
    said = {value: "false" if value.lower() in _NO else "true" for value in values[:8]}
    guessed = any(value.lower() not in _YES | _NO for value in values)
    return f"translate it under values: {{{place.column}: {_pairs(said)}}}" + (", true or false" if guessed else "")


def to_translate(place: Place, words: Sequence[str], values: Sequence[str]) -> str:
    """What to write to translate words of another system into ours."""
    said = {value: our_word(value, words) for value in values[:12]}
    advice = f"translate it under values: {{{place.column}: {_pairs(said)}}}"
    return advice if all(v != "..." for v in said.values()) else f"{advice}, each to one of ours (or to null)"


def our_word(value: str, words: Sequence[str]) -> str:
    """Our word that means the same as another system's; `...` if it is not clear."""
    plain = re.sub(r"[\s_-]+", " ", value.strip().lower())
    alike = {re.sub(r"[\s_-]+", " ", word.lower()): word for word in words}
    if plain in alike:
        return alike[plain]
    if _SAME.get(plain) in words or _SAME.get(plain.replace(" ", "")) in words:
        return _SAME.get(plain) if _SAME.get(plain) in words else _SAME[plain.replace(" ", "")]  # type: ignore[return-value]
    close = difflib.get_close_matches(plain, list(alike), n=1, cutoff=0.75)
    return alike[close[0]] if close else "..."


def to_code(place: Place, values: Sequence[str]) -> str:
    """What to write to translate signs or words into currency codes."""
    if all(re.fullmatch("[A-Z]{3}", value.strip().upper()) for value in values):
        return f"write columns: {{{place.column}: {{sql: {quoted(f'upper({name_sql(place.read_from)})')}}}}}"
    said = {value: _SIGNS.get(value.strip(), "...") for value in values[:8]}
    return f"translate it under values: {{{place.column}: {_pairs(said)}}}, each to its ISO code such as USD"


def _pairs(said: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(value)}: {ours}" for value, ours in said.items()) + "}"


def _sorted(values: Sequence[str]) -> list[str]:
    return sorted(set(values))


def name_sql(column: str) -> str:
    """A column's name in SQL, quoted only if needed."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and not _RESERVED.fullmatch(column.lower())
    return column if is_plain else identifier(column)


def quoted(text: str) -> str:
    """A text for YAML, in double quotes if YAML would otherwise read it as something else."""
    if re.fullmatch(r"[A-Za-z_]([\w ./*-]*\w)?", text) and text.lower() not in _YAML_WORDS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
