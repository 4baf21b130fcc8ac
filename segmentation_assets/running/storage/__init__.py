"""Storages that use Dagster's private API. Not here: anything that the public API can do.

Why they stay: a one-day run of 30 empty tables took 4.9 s of CPU with the storages of Dagster 1.13.27, and 1.4 s with
these (one process, 2 cores). `python -m benchmarks dagster` measures both. Remove these when Dagster's own take less
than 1.3 times as long.
"""
