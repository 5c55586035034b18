"""Runs side by side: what differs, drawn."""
