"""Storages that use Dagster's private API. Not here: anything that the public API can do."""
