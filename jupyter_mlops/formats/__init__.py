"""Formats of models: how each is saved, how safe it is to load, and how it is loaded."""
