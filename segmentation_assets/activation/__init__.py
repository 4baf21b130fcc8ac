"""What is done with the segments: who is told what, and when. Not here: the segments themselves (`segments`)."""
