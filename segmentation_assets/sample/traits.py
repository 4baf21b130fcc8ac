"""What the invented company is like: tiers, rates, names, price of things.

Belongs here: constants of the sample only. Not here: product policy (that is the policy file) or code.
"""

from dataclasses import dataclass

import numpy as np

from segmentation_assets.sample.timeline import Floats

TIERS = ("Strategic", "Growth", "Core", "Long-Tail")
TIER_SHARE = (0.10, 0.25, 0.50, 0.15)
TIER_ARR = (250_000.0, 60_000.0, 18_000.0, 20_000.0 / 3)
ARR_PER_ACCOUNT = 50_000.0
ACCOUNTS_PER_CSM = 50


@dataclass(frozen=True)
class TierTraits:
    """One number per tier, in the order of `TIERS`."""

    arr_sigma: tuple[float, ...] = (0.25, 0.22, 0.28, 0.30)
    seat_weight: tuple[float, ...] = (3.6, 1.5, 0.55, 0.22)
    employees_median: tuple[float, ...] = (3_600, 650, 130, 45)
    renewal_churn_logit: tuple[float, ...] = (-4.8, -3.8, -2.75, -2.2)
    monthly_contract_share: tuple[float, ...] = (0.0, 0.03, 0.15, 0.45)
    expansion_rate: tuple[float, ...] = (0.088, 0.080, 0.042, 0.014)
    contraction_rate: tuple[float, ...] = (0.005, 0.006, 0.007, 0.006)
    add_on_rate: tuple[float, ...] = (0.014, 0.012, 0.006, 0.002)
    add_ons_at_start: tuple[float, ...] = (0.45, 0.20, 0.07, 0.02)
    second_region_share: tuple[float, ...] = (0.35, 0.08, 0.01, 0.0)
    annual_billing_share: tuple[float, ...] = (0.80, 0.60, 0.40, 0.20)
    care_weight: tuple[float, ...] = (10.0, 3.0, 1.0, 0.05)
    health_mean: tuple[float, ...] = (0.30, 0.20, 0.08, -0.40)

    def of(self, name: str, tier: np.ndarray) -> Floats:
        """The named trait of each tier index."""
        return np.asarray(getattr(self, name), dtype=np.float64)[tier]


TRAITS = TierTraits()

# Subscription lines of an account: what each sells. The last is the first product in a second region.
LINE_PRODUCTS = ("platform", "analytics", "automation", "connect", "platform", "analytics")
PLATFORM, ADD_ONS, SECOND_REGION, TRIAL_LINE = 0, (1, 2, 3), 4, 5
LINES = len(LINE_PRODUCTS)
PRODUCTS = ("platform", "analytics", "automation", "connect")
PLANS = ("starter", "team", "business", "enterprise", "trial")
TRIAL_PLAN = 4
REGIONS = ("north_america", "emea", "apac")

# feature, product, level, is_key, released this many days before the end (0: there from the start)
FEATURES: tuple[tuple[str, str, str, bool, int], ...] = (
    ("dashboard", "platform", "core", False, 0),
    ("projects", "platform", "core", True, 0),
    ("tasks", "platform", "core", True, 0),
    ("comments", "platform", "core", False, 0),
    ("search", "platform", "core", False, 0),
    ("file_sharing", "platform", "standard", False, 0),
    ("templates", "platform", "standard", False, 0),
    ("approvals", "platform", "standard", True, 0),
    ("calendar", "platform", "standard", False, 0),
    ("permissions", "platform", "advanced", False, 0),
    ("audit_log", "platform", "advanced", False, 0),
    ("portfolio_view", "platform", "advanced", True, 0),
    ("assistant", "platform", "advanced", False, 240),
    ("reports", "analytics", "core", True, 0),
    ("scheduled_reports", "analytics", "standard", False, 0),
    ("forecasting", "analytics", "advanced", True, 0),
    ("benchmarks", "analytics", "advanced", False, 150),
    ("rules", "automation", "core", True, 0),
    ("webhooks", "automation", "standard", False, 0),
    ("workflow_builder", "automation", "advanced", True, 0),
    ("connectors", "connect", "core", True, 0),
    ("data_sync", "connect", "standard", False, 0),
    ("api", "connect", "advanced", True, 0),
)

COUNTRIES = ("US", "GB", "DE", "FR", "NL", "CA", "AU", "ES", "SE", "SG")
COUNTRY_SHARE = (0.50, 0.13, 0.09, 0.07, 0.05, 0.06, 0.04, 0.03, 0.02, 0.01)
COUNTRY_REGION = (0, 1, 1, 1, 1, 0, 2, 1, 1, 2)
CURRENCIES = ("USD", "EUR", "GBP")
COUNTRY_CURRENCY = (0, 2, 1, 1, 1, 0, 0, 1, 1, 0)
FX_START = (1.0, 1.09, 1.27)

INDUSTRIES: dict[str, tuple[str, ...]] = {
    "software": ("developer_tools", "vertical_saas", "security"),
    "financial_services": ("banking", "insurance", "payments"),
    "healthcare": ("providers", "devices", "digital_health"),
    "manufacturing": ("automotive", "industrial", "electronics"),
    "retail": ("ecommerce", "grocery", "fashion"),
    "professional_services": ("consulting", "legal", "agencies"),
    "media": ("publishing", "streaming", "gaming"),
    "logistics": ("freight", "last_mile", "warehousing"),
}
INDUSTRY_NAMES = tuple(INDUSTRIES)
INDUSTRY_SHARE = (0.24, 0.15, 0.12, 0.13, 0.12, 0.12, 0.06, 0.06)
INDUSTRY_FIT = (0.5, 0.2, 0.1, -0.1, -0.1, 0.2, -0.3, -0.3)

BUSINESS_MODELS = ("b2b", "b2c", "b2b2c", "marketplace", "linear")
BUSINESS_MODEL_SHARE = (0.58, 0.14, 0.12, 0.08, 0.08)
FUNDING_STAGES = ("bootstrapped", "seed", "series_a", "series_b", "series_c", "public")
MATURITIES = ("new_to_category", "replacing_incumbent")
DECISION_PROCESSES = ("champion", "committee", "executive_mandate")
INTEGRATION_NEEDS = ("standalone", "integrated", "deeply_integrated")
USE_CASES = (
    "project_delivery",
    "client_onboarding",
    "marketing_operations",
    "it_service",
    "product_planning",
    "compliance",
    "platform_standardisation",
)
USE_CASE_SHARE = (0.26, 0.16, 0.15, 0.13, 0.13, 0.08, 0.09)

ROLES = ("admin", "manager", "member", "viewer")
ROLE_SHARE = (0.07, 0.18, 0.60, 0.15)
DEPARTMENTS = ("operations", "marketing", "product", "engineering", "finance", "sales", "hr", "it")
DEPARTMENT_SHARE = (0.22, 0.16, 0.14, 0.16, 0.08, 0.12, 0.06, 0.06)

PRIORITIES = ("low", "normal", "high", "urgent")
TICKET_CHANNELS = ("email", "chat", "phone", "portal")
SELF_SERVICE_CHANNELS = ("knowledge_base", "chatbot", "community")
MARKETING_CHANNELS = ("email", "webinar", "event", "content", "community", "in_app")
INTERACTION_KINDS = ("meeting", "call", "email", "business_review")
PLAYS = (
    "success_plan",
    "business_review",
    "renewal_outreach",
    "expansion_outreach",
    "intervention",
    "check_in",
    "onboarding",
    "adoption",
    "usage_nudge",
    "self_serve_offer",
    "reference_request",
    "community_invitation",
)
"""Words of the plays that the company does."""
PLAY_KIND_SHARES = (
    (0.7, 0.3, 0.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
    (0.3, 0.4, 0.3, 0.0),
    (0.3, 0.4, 0.3, 0.0),
    (0.2, 0.7, 0.1, 0.0),
    (0.1, 0.9, 0.0, 0.0),
    (0.5, 0.3, 0.2, 0.0),
    (0.7, 0.3, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.5, 0.5, 0.0),
    (0.0, 0.0, 1.0, 0.0),
)
"""For each play, the shares of `INTERACTION_KINDS` in which it is done."""


@dataclass(frozen=True)
class Punctuality:
    """How the people of the company keep their promises; the rest is missed."""

    in_time: float = 0.82
    late: float = 0.13
    days_late: float = 6.0  # on average, beyond the promise
    missed_days: int = 28  # until a play that was missed is looked at again


PUNCTUALITY = Punctuality()

# By tier: days of each step, and the promise in working days (0: automation, the same day).
RENEWAL_STEPS = (((180, 120, 60), 5.0), ((120, 60), 5.0), ((90, 30), 10.0), ((30,), 0.0))
ONBOARDING_STEPS = (((0, 30, 75), 3.0), ((0, 30, 75), 5.0), ((0, 14, 45), 0.0), ((0, 14, 45), 0.0))
ADOPTION_STEP = 120


@dataclass(frozen=True)
class Routine:
    """A play that comes again: in which tiers, every how many days, and within how many working days."""

    play: str
    tiers: tuple[int, ...]
    every_days: tuple[int, ...]
    promised: tuple[float, ...]
    when: str = "always"
    waits_a_turn: bool = False  # the first comes one turn after the first payment


ROUTINES = (
    Routine("business_review", (0, 1), (91, 182), (10.0, 10.0), waits_a_turn=True),
    Routine("check_in", (1, 2), (365, 365), (20.0, 20.0), waits_a_turn=True),
    Routine("intervention", (0, 1, 2), (30, 30, 30), (2.0, 2.0, 5.0), "in_danger"),
    Routine("success_plan", (0, 1), (60, 60), (2.0, 2.0), "below_usual"),
    Routine("usage_nudge", (2, 3), (60, 60), (0.0, 0.0), "below_usual"),
    Routine("expansion_outreach", (0, 1), (90, 60), (5.0, 5.0), "growing"),
    Routine("self_serve_offer", (2, 3), (60, 60), (0.0, 0.0), "growing"),
    Routine("reference_request", (0, 1), (180, 180), (5.0, 5.0), "healthy"),
    Routine("community_invitation", (2, 3), (180, 180), (0.0, 0.0), "healthy"),
)
GOALS = (
    "time_to_value",
    "team_rollout",
    "process_automation",
    "reporting_live",
    "cost_saving",
    "integration_live",
)
TOOLS: tuple[tuple[str, str, str], ...] = (
    ("salesforce", "crm", "complementary"),
    ("hubspot", "crm", "complementary"),
    ("slack", "communication", "complementary"),
    ("snowflake", "data_warehouse", "complementary"),
    ("okta", "identity", "complementary"),
    ("worktrail", "work_management", "competitor"),
    ("planhive", "work_management", "competitor"),
    ("taskforge", "work_management", "competitor"),
    ("file_server", "storage", "legacy"),
    ("on_prem_pm", "work_management", "legacy"),
    ("spreadsheet_macros", "work_management", "legacy"),
    ("zoom", "communication", "neutral"),
    ("workday", "hr", "neutral"),
    ("jira", "development", "neutral"),
)
COMPETITORS = ("worktrail", "planhive", "taskforge")
SIGNALS: tuple[tuple[str, float], ...] = (
    ("layoffs", -0.7),
    ("budget_cut", -0.5),
    ("leadership_change", -0.2),
    ("acquisition", -0.1),
    ("hiring_surge", 0.5),
    ("new_office", 0.4),
    ("funding", 0.7),
)
ACTIVITIES = ("onboarding", "check_in", "business_review", "escalation", "planning", "admin", "internal")
LOSS_REASONS = ("price", "no_decision", "competitor", "missing_feature", "budget")
# motion, segment (None: all), share of the yearly spend
MOTIONS: tuple[tuple[str, str | None, float], ...] = (
    ("field_sales", "Strategic", 0.30),
    ("inside_sales", "Growth", 0.25),
    ("partner", None, 0.10),
    ("digital_marketing", None, 0.20),
    ("events", None, 0.15),
)

NAME_HEADS = (
    "North",
    "Blue",
    "Silver",
    "Bright",
    "Iron",
    "Cedar",
    "River",
    "Summit",
    "Clear",
    "Red",
    "Stone",
    "Green",
    "Harbor",
    "Golden",
    "Swift",
    "Lumen",
    "Vertex",
    "Prime",
    "Atlas",
    "Nova",
)
NAME_TAILS = (
    "field",
    "gate",
    "works",
    "line",
    "bridge",
    "peak",
    "path",
    "wave",
    "point",
    "forge",
    "leaf",
    "stack",
    "crest",
    "well",
    "port",
    "grid",
    "craft",
    "light",
    "ridge",
    "flow",
)
NAME_KINDS = (
    "Group",
    "Labs",
    "Partners",
    "Systems",
    "Health",
    "Logistics",
    "Media",
    "Retail",
    "Capital",
    "Software",
)
FIRST_NAMES = (
    "Amara",
    "Ben",
    "Chiara",
    "Daniel",
    "Elif",
    "Farah",
    "Gustav",
    "Hana",
    "Ivan",
    "Julia",
    "Kofi",
    "Lena",
    "Marco",
    "Nadia",
    "Omar",
    "Priya",
    "Quentin",
    "Rosa",
    "Samir",
    "Tess",
)
LAST_NAMES = (
    "Adler",
    "Brooks",
    "Costa",
    "Dubois",
    "Evans",
    "Fischer",
    "Garcia",
    "Hughes",
    "Ito",
    "Jensen",
    "Kaur",
    "Lopez",
    "Meyer",
    "Novak",
    "Okafor",
    "Patel",
    "Quinn",
    "Rossi",
    "Silva",
    "Tan",
)
