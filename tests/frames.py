"""The names by which tests knew `companies.rows` before."""

from tests.companies.rows import given, records, spine

__all__ = ["given", "records", "spine"]
