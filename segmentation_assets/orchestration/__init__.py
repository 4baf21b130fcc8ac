"""Dagster, and only Dagster: assets made from the catalogue, checks, partitions, jobs, resources, the event log.

Not here: what a table means or how it is computed. This room is the only one, with `definitions`, that imports
dagster, so that `show`, `explain` and notebooks stay light.
"""
