"""A run done again in a clean kernel, and compared with what was recorded."""
