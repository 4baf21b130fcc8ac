"""What came of it: movements, retention, migration. Not here: states of accounts (`profiles`, `segments`)."""
