"""Which segment and which tier an account is in, since when, and why."""
