"""Detects the files, models and figures of a recorded cell."""
