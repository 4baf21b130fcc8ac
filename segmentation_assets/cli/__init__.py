"""The `segmentation` command: one file per command. Not here: what a command does (each in its room)."""
