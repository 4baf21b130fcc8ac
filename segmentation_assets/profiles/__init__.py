"""What is known of each account at the end of a day."""
