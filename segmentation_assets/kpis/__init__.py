"""What came of it: movements of revenue, retention, migration. Not here: states of accounts (`profiles`, `segments`)."""
