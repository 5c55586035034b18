"""Capsules: everything that is needed to execute a run again."""
