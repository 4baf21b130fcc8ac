"""A coverage business case, computed from its parts and audited against what it states.

Here: what a file can state (`model`), reading it (`reading`), figures of which only bounds are known (`intervals`),
what the parts give (`parts`), the audit (`audit`), figures in words (`words`). Not here: this company's own capacity
(`capacity.plan`), printing (`cli`).
"""
