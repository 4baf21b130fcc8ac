"""The contracts of all raw extracts, and of the quarantine of refused rows.

Here: columns, types, keys, allowed words and row rules of every extract, as `data/README.md` prints them. Not here:
where an extract stands (`sources`), reading it or rules across extracts (`landing`), anything computed from it.

Only good rows are published. In every extract but `product_usage`, each row also says from when to when it was known.
So a day in the past is computed from what was known on that day.
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from segmentation_assets.tables.contracts import (
    VALIDITY,
    Contract,
    Day,
    Flag,
    Integer,
    Moment,
    column,
    key_of,
    row_rule,
)
from segmentation_assets.tables.registry import extract_table

HISTORY_COLUMNS = (*VALIDITY, "dropped_on")
_ID = {"min_value": 1}
_CURRENCY = r"[A-Z]{3}$"


class Extract(Contract):
    """Base of extracts whose rows change: a row counts at as_of iff known_from <= as_of < known_to."""

    known_from: Day = column("First day on which this row was known; 0001-01-01 in the first or an undated drop.")
    known_to: Day = column("Day on which a newer drop replaced or ended this row; 9999-12-31 if none did.")
    dropped_on: Day = column(
        "Date of the drop that first brought this row; null if the source has no dates. An as_of before it "
        "is a backcast.",
        nullable=True,
    )


def natural_key(contract: type[Contract]) -> tuple[str, ...]:
    """The columns that identify a row within one drop: the key without `known_from`."""
    return tuple(name for name in key_of(contract) if name not in HISTORY_COLUMNS)


def _in_order(earlier: Any, later: Any) -> Any:
    """`later` is not before `earlier`. True if either is null."""
    return earlier.isnull() | later.isnull() | (later >= earlier)


class CrmAccounts(Extract):
    """Who are our accounts, and what does the CRM say about them? One row per account; only the id is required."""

    account_id: str = column("Account id, as every other extract spells it.", str_length=_ID)
    account_name: str = column("Name of the account.", nullable=True)
    domain: str = column("Web domain of the account.", nullable=True)
    parent_account_id: str = column("Account that owns this one.", nullable=True)
    merged_into_account_id: str = column("Account that this record was merged into.", nullable=True)
    employees: float = column(
        "Number of employees; for a range such as 51-200, its middle.", unit="employees", nullable=True, ge=0
    )
    annual_revenue: float = column("The account's own yearly revenue.", unit="currency", nullable=True, ge=0)
    industry: str = column("Industry.", nullable=True)
    sub_industry: str = column("Part of the industry, such as retail banking.", nullable=True)
    country: str = column("Country of the head office.", nullable=True)
    business_model: str = column(
        "How the account sells.", nullable=True, isin=["b2b", "b2c", "b2b2c", "marketplace", "linear"]
    )
    funding_stage: str = column("Last funding round, or public.", nullable=True)
    created_on: Day = column("Day the record was created in the CRM.", nullable=True)
    account_executive: str = column("Account executive who owns the account.", nullable=True)
    csm_id: str = column("Customer success manager who covers the account.", nullable=True)
    executive_sponsor: str = column("Our executive sponsor.", nullable=True)
    crm_record_id: str = column(
        "Id of the account's record in the CRM, to which the sync writes (HubSpot: record id of the company).",
        nullable=True,
    )
    primary_use_case: str = column("What the account bought the product for.", nullable=True)
    maturity: str = column(
        "Whether the account is new to this kind of product or replaces another one.",
        nullable=True,
        isin=["new_to_category", "replacing_incumbent"],
    )
    decision_process: str = column(
        "Who decides to buy.", nullable=True, isin=["champion", "committee", "executive_mandate"]
    )
    integration_need: str = column(
        "How closely the product must integrate with the account's systems.",
        nullable=True,
        isin=["standalone", "integrated", "deeply_integrated"],
    )
    buying_cycle_days: Integer = column("Days from first contact to signature.", unit="days", nullable=True, ge=0)
    is_reference: Flag = column("The account is a public reference for us.", nullable=True)
    has_strategic_influence: Flag = column("Other companies in its market follow this account.", nullable=True)

    @row_rule
    def not_merged_into_itself(cls, t: ir.Table) -> ir.BooleanValue:
        """A record cannot be merged into itself."""
        return t.merged_into_account_id.isnull() | (t.merged_into_account_id != t.account_id)

    class Config:
        unique = ["account_id", "known_from"]


class BillingSubscriptions(Extract):
    """What does each account pay, for what, from when to when? One row per subscription and period of terms."""

    subscription_id: str = column("Subscription id.", str_length=_ID)
    start_date: Day = column("First day of these terms. Earlier terms of the same subscription_id end on it.")
    account_id: str = column("Account that pays.", str_length=_ID)
    product: str = column("Product sold.", nullable=True)
    plan: str = column("Plan of the product.", nullable=True)
    region: str = column("Region it is sold in.", nullable=True)
    seats: Integer = column("Licensed seats.", unit="seats", nullable=True, ge=0)
    mrr: float = column(
        "Recurring amount per month, after discount and without tax; 0 = trial or paused; below 0 = a discount, "
        "deducted from the account's other amounts.",
        unit="currency",
    )
    currency: str = column("Currency of mrr, ISO 4217.", str_matches=_CURRENCY)
    end_date: Day = column("First day on which these terms no longer hold; null = open.", nullable=True)
    end_known_on: Day = column("Day on which the end became known; null = on end_date.", nullable=True)
    term_end: Day = column("Last day of the contract term: the renewal date.", nullable=True)

    @row_rule
    def end_after_start(cls, t: ir.Table) -> ir.BooleanValue:
        """The end is after the start. A period without days bills nothing."""
        return t.end_date.isnull() | (t.end_date > t.start_date)

    class Config:
        unique = ["subscription_id", "start_date", "known_from"]


class BillingInvoices(Extract):
    """Which invoices were issued, when were they due and when paid? One row per invoice."""

    invoice_id: str = column("Invoice id.", str_length=_ID)
    account_id: str = column("Account invoiced.", str_length=_ID)
    issued_on: Day = column("Day of issue.")
    due_on: Day = column("Day by which it is to be paid.", nullable=True)
    paid_on: Day = column("Day it was paid; null = unpaid.", nullable=True)
    amount: float = column("Amount net of tax; below 0 = a credit note.", unit="currency")
    currency: str = column("Currency of the amount, ISO 4217.", str_matches=_CURRENCY)
    period_start: Day = column("First day of the invoiced service; null = the day of issue.", nullable=True)
    period_end: Day = column(
        "First day after the invoiced service; null = day of the account's next invoice, at most a year later.",
        nullable=True,
    )

    @row_rule
    def period_end_after_start(cls, t: ir.Table) -> ir.BooleanValue:
        """A service period has at least one day."""
        return t.period_start.isnull() | t.period_end.isnull() | (t.period_end > t.period_start)

    @row_rule
    def due_not_before_issue(cls, t: ir.Table) -> ir.BooleanValue:
        """An invoice falls due on or after its issue."""
        return _in_order(t.issued_on, t.due_on)

    class Config:
        unique = ["invoice_id", "known_from"]


class FxRates(Extract):
    """What is one unit of each currency worth? One row per currency and first day of a rate."""

    currency: str = column("Currency, ISO 4217.", str_matches=_CURRENCY)
    valid_from: Day = column("First day of the rate; it holds until the next one.")
    rate: float = column("Value of one unit in the reporting currency.", unit="reporting currency per unit", gt=0)

    class Config:
        unique = ["currency", "valid_from", "known_from"]


class ProductUsers(Extract):
    """Who can log in, for which account, since when? One row per user."""

    user_id: str = column("User id, as product_usage spells it.", str_length=_ID)
    account_id: str = column("Account the user belongs to.", str_length=_ID)
    created_on: Day = column("Day the user was created.", nullable=True)
    deactivated_on: Day = column("First day on which the user could no longer log in.", nullable=True)
    role: str = column("Role in the product.", nullable=True)
    department: str = column("Department of the user.", nullable=True)
    is_service_user: Flag = column(
        "An API key or other machine: its events count as use, but it is no active user.", nullable=True
    )

    @row_rule
    def deactivated_not_before_created(cls, t: ir.Table) -> ir.BooleanValue:
        """A user is deactivated on or after the day it was created."""
        return _in_order(t.created_on, t.deactivated_on)

    class Config:
        unique = ["user_id", "known_from"]


class ProductUsage(Contract):
    """Who used which feature how much on which day? One row per account, user, day and feature; published by day.

    Coarser usage works too. Without users there are events, but no seat activity. Without features there is no
    breadth and no depth.
    """

    user_id: str = column("User id; null = usage of the account by an unknown user.", nullable=True, str_length=_ID)
    usage_date: Day = column("Day of use, company timezone.")
    feature: str = column("Feature used; null = all of them together.", nullable=True, str_length=_ID)
    account_id: str = column("Account of the user.", str_length=_ID)
    event_count: Integer = column("Events.", unit="events", ge=0)
    session_count: Integer = column("Number of sessions (logins).", unit="sessions", nullable=True, ge=0)
    session_minutes: float = column("Minutes in session.", unit="minutes", nullable=True, ge=0)
    error_count: Integer = column("Errors shown to the user.", unit="errors", nullable=True, ge=0)

    class Config:
        unique = ["user_id", "usage_date", "feature", "account_id"]


class ProductFeatures(Extract):
    """Which features does each product have, and how advanced are they? One row per feature."""

    feature: str = column("Feature, as product_usage spells it.", str_length=_ID)
    product: str = column("Product it belongs to, as subscriptions spell it.", nullable=True)
    level: str = column("How advanced the feature is.", nullable=True, isin=["core", "standard", "advanced"])
    is_key: Flag = column("A feature that shows depth of use.", nullable=True)

    class Config:
        unique = ["feature", "known_from"]


class SupportTickets(Extract):
    """Who needed help, how long did it take, and how satisfied were they? One row per ticket."""

    ticket_id: str = column("Ticket id.", str_length=_ID)
    account_id: str = column("Account that needed help.", str_length=_ID)
    opened_at: Moment = column("When it was opened, UTC.")
    first_response_at: Moment = column("When we first answered, UTC.", nullable=True)
    resolved_at: Moment = column("When it was resolved, UTC.", nullable=True)
    priority: str = column("Priority.", nullable=True, isin=["low", "normal", "high", "urgent"])
    channel: str = column("Channel through which the ticket arrived.", nullable=True)
    handling_hours: float = column("Hours that we spent on the ticket.", unit="hours", nullable=True, ge=0)
    csat: float = column("Satisfaction of the customer, 1 to 5.", unit="points", nullable=True, ge=1, le=5)
    sentiment: float = column("Tone of the text, -1 to 1.", unit="points", nullable=True, ge=-1, le=1)
    is_escalated: Flag = column("Escalated to management.", nullable=True)

    @row_rule
    def answered_not_before_opened(cls, t: ir.Table) -> ir.BooleanValue:
        """Nobody answers a ticket before it is opened."""
        return _in_order(t.opened_at, t.first_response_at)

    @row_rule
    def resolved_not_before_opened(cls, t: ir.Table) -> ir.BooleanValue:
        """Nobody resolves a ticket before it is opened."""
        return _in_order(t.opened_at, t.resolved_at)

    class Config:
        unique = ["ticket_id", "known_from"]


class SelfServiceSessions(Extract):
    """Who helped themselves, and where? One row per account, day and channel."""

    account_id: str = column("Account.", str_length=_ID)
    used_on: Day = column("Day.")
    channel: str = column("Self-service channel.", isin=["knowledge_base", "chatbot", "community"])
    sessions: Integer = column("Sessions.", unit="sessions", ge=0)

    class Config:
        unique = ["account_id", "used_on", "channel", "known_from"]


class MarketingEngagement(Extract):
    """Who reacts to our marketing? One row per account, day and channel."""

    account_id: str = column("Account.", str_length=_ID)
    engaged_on: Day = column("Day.")
    channel: str = column("Channel.", isin=["email", "webinar", "event", "content", "community", "in_app"])
    touches: Integer = column("Opens, visits, posts, clicks.", unit="touches", ge=0)

    class Config:
        unique = ["account_id", "engaged_on", "channel", "known_from"]


class Interactions(Extract):
    """When were we in touch with an account, and did the other side answer? One row per interaction."""

    interaction_id: str = column("Interaction id.", str_length=_ID)
    account_id: str = column("Account.", str_length=_ID)
    occurred_on: Day = column("Day it took place.")
    kind: str = column("Kind.", isin=["meeting", "call", "email", "business_review"])
    initiated_by: str = column("Who started it.", nullable=True, isin=["us", "customer"])
    replied_on: Day = column("Day the other side answered; null = no answer.", nullable=True)
    play: str = column("Play that it was part of.", nullable=True)

    @row_rule
    def reply_not_before_interaction(cls, t: ir.Table) -> ir.BooleanValue:
        """An answer comes on or after the day of the interaction."""
        return _in_order(t.occurred_on, t.replied_on)

    class Config:
        unique = ["interaction_id", "known_from"]


class Surveys(Extract):
    """Whom did we ask, and what did they answer? One row per survey sent."""

    response_id: str = column("Survey id.", str_length=_ID)
    account_id: str = column("Account asked.", str_length=_ID)
    user_id: str = column("User asked.", nullable=True)
    sent_on: Day = column("Day it was sent.")
    answered_on: Day = column("Day it was answered; null = not answered.", nullable=True)
    kind: str = column("Kind; it sets the scale of the score.", isin=["nps", "csat", "ces"])
    score: float = column("Answer: nps 0 to 10, csat 1 to 5, ces 1 to 7.", unit="points", nullable=True, ge=0, le=10)

    @row_rule
    def answer_not_before_sending(cls, t: ir.Table) -> ir.BooleanValue:
        """An answer comes on or after the day the survey was sent."""
        return _in_order(t.sent_on, t.answered_on)

    @row_rule
    def csat_from_1_to_5(cls, t: ir.Table) -> ir.BooleanValue:
        """A satisfaction answer is 1 to 5."""
        return (t.kind != "csat") | t.score.isnull() | t.score.between(1, 5)

    @row_rule
    def ces_from_1_to_7(cls, t: ir.Table) -> ir.BooleanValue:
        """An effort answer is 1 to 7."""
        return (t.kind != "ces") | t.score.isnull() | t.score.between(1, 7)

    class Config:
        unique = ["response_id", "known_from"]


class TechnologyInstalls(Extract):
    """Which tools does an account use besides ours? One row per account, tool and day it was first seen."""

    account_id: str = column("Account.", str_length=_ID)
    tool: str = column("Tool.", str_length=_ID)
    first_seen: Day = column("Day it was first seen.")
    category: str = column("Category of the tool.", nullable=True)
    relation: str = column(
        "Relation of the tool to our product.",
        nullable=True,
        isin=["complementary", "competitor", "legacy", "neutral"],
    )
    last_seen: Day = column("Day it was last seen; null = still there.", nullable=True)

    @row_rule
    def last_not_before_first(cls, t: ir.Table) -> ir.BooleanValue:
        """A tool is last seen on or after it was first seen."""
        return _in_order(t.first_seen, t.last_seen)

    class Config:
        unique = ["account_id", "tool", "first_seen", "known_from"]


class ExternalSignals(Extract):
    """What happened to an account in its market? One row per signal."""

    signal_id: str = column("Signal id.", str_length=_ID)
    account_id: str = column("Account.", str_length=_ID)
    signal: str = column("Kind of event: layoffs, funding, acquisition, leadership_change, ...", str_length=_ID)
    observed_on: Day = column("Day it was observed.")
    weight: float = column(
        "How good (1) or bad (-1) it is for us; null = the policy's weight of the signal.",
        unit="points",
        nullable=True,
        ge=-1,
        le=1,
    )

    class Config:
        unique = ["signal_id", "known_from"]


class SuccessGoals(Extract):
    """What does the account want to reach, by when, and did it? One row per account and goal."""

    account_id: str = column("Account.", str_length=_ID)
    goal: str = column("Goal.", str_length=_ID)
    set_on: Day = column("Day it was agreed.", nullable=True)
    due_on: Day = column("Day it is due.", nullable=True)
    met_on: Day = column("Day it was met; null = not met.", nullable=True)

    @row_rule
    def due_not_before_set(cls, t: ir.Table) -> ir.BooleanValue:
        """A goal is due on or after the day it was set."""
        return _in_order(t.set_on, t.due_on)

    @row_rule
    def met_not_before_set(cls, t: ir.Table) -> ir.BooleanValue:
        """A goal is met on or after the day it was set."""
        return _in_order(t.set_on, t.met_on)

    class Config:
        unique = ["account_id", "goal", "known_from"]


class Opportunities(Extract):
    """What is sales working on, and was it won or lost? One row per opportunity."""

    opportunity_id: str = column("Opportunity id.", str_length=_ID)
    account_id: str = column("Account.", str_length=_ID)
    kind: str = column("Kind.", isin=["new", "expansion", "renewal"])
    stage: str = column("Stage.", isin=["open", "won", "lost"])
    amount_arr: float = column(
        "ARR of the opportunity, in the reporting currency.", unit="currency per year", nullable=True, ge=0
    )
    created_on: Day = column("Day it was opened.")
    closed_on: Day = column("Day it was won or lost.", nullable=True)
    competitor: str = column("Competitor for the deal.", nullable=True)
    loss_reason: str = column("Why it was lost.", nullable=True)

    @row_rule
    def closed_not_before_created(cls, t: ir.Table) -> ir.BooleanValue:
        """An opportunity closes on or after the day it opened."""
        return _in_order(t.created_on, t.closed_on)

    class Config:
        unique = ["opportunity_id", "known_from"]


class CsmRoster(Extract):
    """Who covers accounts, with which seniority, hours and skills? One row per customer success manager."""

    csm_id: str = column("Id, as crm_accounts spells it.", str_length=_ID)
    csm_name: str = column("Name.", nullable=True)
    level: str = column("Level.", nullable=True, isin=["associate", "senior"])
    team: str = column("Team.", nullable=True)
    region: str = column("Region covered.", nullable=True)
    industries: str = column("Industries of expertise, separated by commas.", nullable=True)
    weekly_hours: float = column("Contracted hours per week.", unit="hours per week", nullable=True, ge=0, le=168)
    hourly_cost: float = column("Cost of an hour.", unit="currency per hour", nullable=True, ge=0)
    starts_on: Day = column("First day of work.", nullable=True)
    ends_on: Day = column("First day after their last day of work; null = open.", nullable=True)

    @row_rule
    def ends_not_before_start(cls, t: ir.Table) -> ir.BooleanValue:
        """Nobody leaves before their first day."""
        return _in_order(t.starts_on, t.ends_on)

    class Config:
        unique = ["csm_id", "known_from"]


class CsmTimeEntries(Extract):
    """What did customer success managers spend hours on? One row per entry."""

    entry_id: str = column("Entry id.", str_length=_ID)
    csm_id: str = column("Customer success manager who worked.", str_length=_ID)
    account_id: str = column("Account that the work was for; null = internal work.", nullable=True)
    worked_on: Day = column("Day.")
    hours: float = column("Hours.", unit="hours", ge=0)
    activity: str = column("Kind of work.", nullable=True)

    class Config:
        unique = ["entry_id", "known_from"]


class CustomDevelopment(Extract):
    """What did we build for a single account? One row per account, day and ticket."""

    account_id: str = column("Account.", str_length=_ID)
    worked_on: Day = column("Day.")
    ticket: str = column("Ticket or task.", str_length=_ID)
    hours: float = column("Hours.", unit="hours", ge=0)

    class Config:
        unique = ["account_id", "worked_on", "ticket", "known_from"]


class GtmSpend(Extract):
    """What do sales and marketing cost? One row per month and go-to-market motion."""

    month: Day = column("First day of the month.")
    motion: str = column("Go-to-market motion, e.g. field_sales.", str_length=_ID)
    segment: str = column("Segment it was spent on; null = all.", nullable=True)
    amount: float = column("Sales and marketing spend of the month.", unit="currency", ge=0)
    currency: str = column("Currency of the amount, ISO 4217.", str_matches=_CURRENCY)

    class Config:
        unique = ["month", "motion", "known_from"]


class Leads(Extract):
    """Who might become an account? One row per lead."""

    lead_id: str = column("Lead id.", str_length=_ID)
    company: str = column("Company.", nullable=True)
    employees: float = column("Number of employees; for a range, its middle.", unit="employees", nullable=True, ge=0)
    annual_revenue: float = column("Its yearly revenue.", unit="currency", nullable=True, ge=0)
    industry: str = column("Industry.", nullable=True)
    country: str = column("Country.", nullable=True)
    use_case: str = column("What it wants the product for.", nullable=True)
    created_on: Day = column("Day it came in.", nullable=True)

    class Config:
        unique = ["lead_id", "known_from"]


class Quarantine(Contract):
    """Which rows of which extract broke which rule? One row per refused row, with the first rule it broke.

    good + quarantined = read, for every extract, always. A refused row goes no further than this table.
    """

    extract: str = column("Extract of the row.")
    key: str = column("The row's key as read: columns joined by ` | `; `?` stands for a missing part.", nullable=True)
    source: str = column("File, or database and table, that it was read from.", nullable=True)
    source_row: Integer = column(
        "Row number in the file, from 1, without the header; null if rows have no order (a database, a query) or if "
        "the row stands for several.",
        nullable=True,
        ge=1,
    )
    rule: str = column("First rule it broke, in the order of the contract.")
    column_name: str = column("Column that the rule is about; null for a rule over several columns.", nullable=True)
    value: str = column("Offending value as read.", nullable=True)
    dropped_on: Day = column("Date of the drop; null if the source has none.", nullable=True)
    usage_date: Day = column("Day of use, for rows of product_usage that have one.", nullable=True)


# Landing order: an extract comes after the extracts that its rows refer to.
EXTRACTS = (
    extract_table(CrmAccounts, "crm_accounts", is_census=True),
    extract_table(ProductFeatures, "product_features", is_census=True),
    extract_table(ProductUsers, "product_users", dated="created_on", is_census=True),
    extract_table(FxRates, "fx_rates", dated="valid_from"),
    extract_table(CsmRoster, "csm_roster", is_census=True),
    extract_table(BillingSubscriptions, "billing_subscriptions", dated="start_date", is_census=True),
    extract_table(BillingInvoices, "billing_invoices", dated="issued_on"),
    extract_table(SupportTickets, "support_tickets", dated="opened_at"),
    extract_table(SelfServiceSessions, "self_service_sessions", dated="used_on"),
    extract_table(MarketingEngagement, "marketing_engagement", dated="engaged_on"),
    extract_table(Interactions, "interactions", dated="occurred_on"),
    extract_table(Surveys, "surveys", dated="sent_on"),
    extract_table(TechnologyInstalls, "technology_installs", dated="first_seen"),
    extract_table(ExternalSignals, "external_signals", dated="observed_on"),
    extract_table(SuccessGoals, "success_goals", dated="set_on"),
    extract_table(Opportunities, "opportunities", dated="created_on"),
    extract_table(CsmTimeEntries, "csm_time_entries", dated="worked_on"),
    extract_table(CustomDevelopment, "custom_development", dated="worked_on"),
    extract_table(GtmSpend, "gtm_spend", dated="month"),
    extract_table(Leads, "leads", dated="created_on"),
    extract_table(ProductUsage, "product_usage", dated="usage_date", partition="usage_date"),
)
REQUIRED = ("crm_accounts", "billing_subscriptions")
QUARANTINE = extract_table(Quarantine, "quarantine")
