"""The differences between runs, as text and static HTML."""
