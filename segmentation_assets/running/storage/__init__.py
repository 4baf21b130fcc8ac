"""All that leans on Dagster's private parts, in one folder. Not here: anything that its public API can do."""
