"""Who looks after whom, whether there are enough people, and what a coverage model is worth."""
