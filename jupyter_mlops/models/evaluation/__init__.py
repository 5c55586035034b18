"""Evaluation of a run's model: metrics with confidence intervals, and the gate for promotion."""
