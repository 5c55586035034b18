"""A run done again: `run reproduce`, `run why` and `run export`."""
