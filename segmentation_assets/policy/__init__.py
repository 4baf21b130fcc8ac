"""What the business decides: the default numbers and their validated model."""
