"""Why an account is in its segment and tier, what changed, and what would move it up, in sentences.

Here: `gathering` (everything about one account), `changes` (since the snapshot before) and `ways_up` (the nearest
thresholds), from published tables alone. Not here: showing it (the faces), or computing any figure (the chain).
"""
