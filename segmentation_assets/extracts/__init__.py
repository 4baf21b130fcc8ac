"""Raw data: the contracts of extracts, the mapping of sources, and landing."""
