"""Dagster, and nothing but Dagster: assets, checks, partitions, jobs and resources made from the catalogue."""
