"""The Jupyter Server extension: the nouns over REST for the panel, and their changes as events."""
