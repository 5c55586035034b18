"""Explains the difference between two runs: swaps one factor at a time, and replays each combination."""
