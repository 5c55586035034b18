"""How good a run's model is: metrics with intervals, and the gate that promotion obeys."""
