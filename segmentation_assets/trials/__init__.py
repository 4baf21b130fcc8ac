"""Other policies, tried beside production: what-if, sweep and tune.

Here: what another policy would change, computed in memory from published tables. Nothing here writes a file or
starts a run. Not here: the tables themselves (the chain), how a trial is shown (`report`, `cli.printing`), or a
business case from figures that people state (`capacity.scenario`).
"""
