"""What a home's tables and runs are like now: fresh, stale, late, failed, waiting.

Here: `status` (the judgement), `run_records` (what Dagster's database says of runs, read without Dagster), `cadence`
(which table is made how often). Not here: starting anything (`orchestration`).
"""
