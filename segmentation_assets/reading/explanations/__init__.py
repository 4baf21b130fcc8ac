"""Why an account is where it is, what changed, and what would move it up: in sentences, from published tables alone.

Here: `gathering` (all that is told of one account), `changes` (since the snapshot before) and `ways_up` (the nearest
thresholds). Not here: how a terminal, a page or the report shows it, or any figure (the chain).
"""
