"""Storages that use Dagster's private API. Not here: anything that the public API can do.

Why they stay: a run of 30 tables that cost nothing, for one day, took 4.9 s of CPU with those of Dagster 1.13.27
and 1.4 s with these, in one process on 2 cores. `python -m benchmarks dagster` measures both. They go when Dagster's
own take less than 1.3 times as long.
"""
