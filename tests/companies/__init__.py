"""Hand-made companies: rows by table in, tables of the chain out. `company` computes in memory, `rows` types them."""

from tests.companies.company import DEFAULT, Company, NotToContract, made_last, policy_with
from tests.companies.rows import Rows, arrow, records, spine, typed

__all__ = [
    "DEFAULT",
    "Company",
    "NotToContract",
    "Rows",
    "arrow",
    "made_last",
    "policy_with",
    "records",
    "spine",
    "typed",
]
