"""The difference between two runs explained: one factor swapped at a time, each combination replayed."""
