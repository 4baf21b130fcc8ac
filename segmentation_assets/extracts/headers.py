"""Other systems' names for our extracts and for the columns of our contracts.

Here: names in lower case and without punctuation, the usual ones first. Not here: choosing by them (`proposing`). The
contract's own name is always tried too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from segmentation_assets.extracts.sources import own_columns

_ACCOUNT = (
    "account id", "customer id", "company id", "client id", "organization id", "organisation id", "org id",
    "tenant id", "workspace id", "account", "customer", "company", "client", "organization", "organisation", "tenant",
    "workspace", "group id", "konto", "kunde", "kundennummer", "kunden id", "konto id", "cliente",
    "associated company id",
)  # fmt: skip
_CREATED = ("created on", "created at", "created", "create date", "created date", "date created")
FILES: Mapping[str, str] = {
    "crm_accounts": r"account|compan|customer|client|organi[sz]ation|tenant|workspace|kunde|konto",
    "billing_subscriptions": r"subscr|contract|billing|\bsubs?\b|recurring|vertr|abos?\b|items?\b|plans? sold",
    "billing_invoices": r"invoice|bills?\b|rechnung",
    "product_users": r"users?\b|contacts?\b|members?\b|people|nutzer",
    "product_usage": r"usage|events?\b|activit|logs?\b|track|nutzung",
    "product_features": r"features?\b|modules?\b",
    "support_tickets": r"tickets?\b|cases?\b|conversation|support|issues?\b",
    "surveys": r"survey|nps|csat|feedback",
    "opportunities": r"opportunit|deals?\b|pipeline",
    "csm_roster": r"roster|csms?\b|team",
    "csm_time_entries": r"time|hours|timesheet",
    "interactions": r"interaction|meeting|calls?\b|touch|engagement",
    "fx_rates": r"fx|rates?\b|exchange",
    "gtm_spend": r"spend|marketing cost|cac",
    "leads": r"leads?\b|prospect",
    "success_goals": r"goals?\b|outcome",
}
"""Usual file names of each extract."""

COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "crm_accounts": {
        "account_id": ("account id", "company id", "customer id", "id", *_ACCOUNT[3:], "record id", "account number"),
        "account_name": ("account name", "company name", "customer name", "name", "firma", "company", "title"),
        "domain": ("domain", "company domain name", "website", "web site", "url"),
        "parent_account_id": ("parent account id", "parent company id", "parent id", "parent"),
        "employees": (
            "employees",
            "number of employees",
            "employee count",
            "headcount",
            "company size",
            "size",
            "staff",
            "mitarbeiter",
            "numberofemployees",
        ),
        "annual_revenue": ("annual revenue", "revenue", "yearly revenue", "umsatz", "annualrevenue"),
        "industry": ("industry", "sector", "vertical", "branche"),
        "country": ("country", "billing country", "hq country", "country region", "land"),
        "created_on": _CREATED,
        "account_executive": ("account executive", "account owner", "company owner", "owner", "sales rep", "ae"),
        "csm_id": ("csm id", "csm", "customer success manager", "success manager", "csm owner"),
        "primary_use_case": ("primary use case", "use case"),
        "funding_stage": ("funding stage", "funding round"),
    },
    "billing_subscriptions": {
        "subscription_id": (
            "subscription id",
            "sub id",
            "subscription",
            "sub",
            "id",
            "contract id",
            "contract number",
            "contract",
            "agreement id",
            "vertrag",
            "abo",
        ),
        "account_id": _ACCOUNT,
        "start_date": (
            "start date",
            "start",
            "starts on",
            "started",
            "started at",
            "starts",
            "from",
            "valid from",
            "begin",
            "begins",
            "beginn",
            "contract start",
            "subscription start",
            "activated at",
        ),
        "end_date": (
            "end date",
            "end",
            "ends on",
            "ended at",
            "ended",
            "ends",
            "until",
            "to",
            "valid to",
            "valid until",
            "ende",
            "contract end",
            "subscription end",
            "expires",
            "expiry date",
            "cancelled at",
            "canceled at",
            "churned on",
            "termination date",
        ),
        "term_end": ("term end", "renewal date", "renews on", "renewal", "next renewal", "current period end"),
        "product": ("product", "product name", "product line", "produkt"),
        "plan": ("plan", "plan name", "tier", "package", "edition", "tarif", "plan id"),
        "region": ("region", "territory"),
        "seats": ("seats", "quantity", "licenses", "licences", "licensed seats", "seat count", "qty", "lizenzen"),
        "currency": ("currency", "currency code", "iso currency", "waehrung"),
    },
    "billing_invoices": {
        "invoice_id": ("invoice id", "id", "invoice number", "number", "invoice"),
        "account_id": _ACCOUNT,
        "issued_on": ("issued on", "invoice date", "issue date", "issued", "date", *_CREATED),
        "due_on": ("due on", "due date", "due"),
        "paid_on": ("paid on", "paid at", "payment date", "paid", "paid date"),
        "amount": ("amount", "net amount", "subtotal", "total", "amount due", "value"),
        "period_start": ("period start", "service start"),
        "period_end": ("period end", "service end"),
        "currency": ("currency", "currency code"),
    },
    "product_users": {
        "user_id": ("user id", "userid", "id", "user", "email", "member id", "contact id", "username"),
        "account_id": _ACCOUNT,
        "created_on": (*_CREATED, "signed up", "signed up at", "joined"),
        "deactivated_on": ("deactivated on", "deactivated at", "deactivated", "disabled at", "deleted at"),
        "role": ("role", "job title", "title"),
        "department": ("department", "team", "function"),
    },
    "product_usage": {
        "user_id": ("user id", "userid", "user", "distinct id", "member id", "email", "username", "person id"),
        "usage_date": (
            "usage date",
            "date",
            "day",
            "timestamp",
            "time",
            "occurred at",
            "event time",
            "event date",
            "sent at",
            "received at",
            "ts",
            "datum",
        ),
        "feature": ("feature", "event name", "event", "event type", "action", "module", "page"),
        "account_id": _ACCOUNT,
        "event_count": ("event count", "events", "total events", "count", "hits", "actions"),
        "session_count": ("session count", "sessions", "logins"),
        "session_minutes": ("session minutes", "minutes", "duration minutes"),
        "error_count": ("error count", "errors"),
    },
    "support_tickets": {
        "ticket_id": ("ticket id", "id", "case id", "case number", "conversation id", "ticket", "number"),
        "account_id": _ACCOUNT,
        "opened_at": ("opened at", "opened", "opened on", *_CREATED),
        "first_response_at": ("first response at", "first reply at", "first replied at", "first responded at"),
        "resolved_at": ("resolved at", "solved at", "closed at", "closed date", "resolved", "closed"),
        "priority": ("priority", "severity", "urgency"),
        "channel": ("channel", "via", "source", "origin"),
        "csat": ("csat", "satisfaction score", "satisfaction", "rating"),
    },
    "opportunities": {
        "opportunity_id": ("opportunity id", "deal id", "id", "record id"),
        "account_id": _ACCOUNT,
        "kind": ("kind", "type", "opportunity type", "deal type"),
        "stage": ("stage", "stage name", "deal stage", "status"),
        "amount_arr": ("amount arr", "arr", "amount", "deal amount", "value"),
        "created_on": _CREATED,
        "closed_on": ("closed on", "close date", "closed at", "closed date", "closed"),
    },
    "csm_roster": {"csm_id": ("csm id", "id", "csm", "email"), "csm_name": ("csm name", "name")},
    "fx_rates": {"valid_from": ("valid from", "date", "day"), "rate": ("rate", "exchange rate")},
}
MONTHLY = ("mrr", "monthly recurring revenue", "monthly amount", "amount per month", "monthly price",
           "price per month", "monthly fee", "monthly", "monatsbetrag")  # fmt: skip
YEARLY = ("arr", "annual recurring revenue", "annual amount", "amount per year", "annual price", "acv",
          "price per year", "annual contract value", "annual value", "yearly amount", "yearly price",
          "jahresbetrag")  # fmt: skip
AMOUNT = (
    "amount",
    "price",
    "net amount",
    "recurring amount",
    "fee",
    "total",
    "value",
    "plan amount",
    "betrag",
    "preis",
)
UNIT = (
    "unit price",
    "unit amount",
    "price per seat",
    "seat price",
    "price per unit",
    "per seat price",
    "einzelpreis",
)
INTERVAL = ("interval", "billing interval", "billing period", "billing cycle", "billing frequency", "frequency",
            "period", "cycle", "recurrence", "plan interval", "turnus", "term")  # fmt: skip
MONTHS: Mapping[str, int] = {
    "month": 1, "monthly": 1, "m": 1, "1": 1, "1 month": 1, "per month": 1, "monat": 1, "monatlich": 1, "months": 1,
    "quarter": 3, "quarterly": 3, "3": 3, "3 months": 3, "q": 3, "quartal": 3,
    "half year": 6, "semiannual": 6, "biannual": 6, "6": 6, "6 months": 6, "semi annual": 6,
    "year": 12, "yearly": 12, "annual": 12, "annually": 12, "y": 12, "12": 12, "12 months": 12, "1 year": 12,
    "per year": 12, "jahr": 12, "jaehrlich": 12, "a": 12,
}  # fmt: skip
"""The number of months that a price is for, by word."""
_CODES = {"usd": "USD", "eur": "EUR", "gbp": "GBP", "chf": "CHF", "cad": "CAD", "aud": "AUD"}
_PARTS = (*_CODES, "cents", "cent", "minor")


def plain(header: str) -> str:
    """A header in lower case, as separate words: `unitPrice_USD` becomes `unit price usd`."""
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", header)
    text = text.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}))
    return re.sub(r"[^a-z0-9]+", " ", text).strip()


def bare(header: str) -> str:
    """The header as `plain` returns it, without a currency or a word for cents."""
    return " ".join(word for word in plain(header).split() if word not in _PARTS)


def currency_in(header: str) -> str | None:
    """The currency that a header names; None if it names none."""
    return next((_CODES[word] for word in plain(header).split() if word in _CODES), None)


def is_in_cents(header: str) -> bool:
    """Whether a header says that amounts are in cents."""
    return any(word in ("cents", "cent", "minor") for word in plain(header).split())


def names_of(extract: str) -> dict[str, tuple[str, ...]]:
    """The possible names of each column of the contract."""
    usual = COLUMNS.get(extract, {})
    return {c: tuple(dict.fromkeys((plain(c), *usual.get(c, ())))) for c in own_columns(extract)}
