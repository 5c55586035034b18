"""What is kept of a run so that it can be done again, and what is made of it."""
