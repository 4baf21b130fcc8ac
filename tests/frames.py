"""Names that moved to `companies`; goes once nothing imports them from here."""

from tests.companies.rows import given, records, spine

__all__ = ["given", "records", "spine"]
