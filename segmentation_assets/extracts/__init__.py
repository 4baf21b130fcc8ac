"""What comes in. See the modules."""
