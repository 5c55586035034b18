"""What every format builds on: the base class, the registry, a fitted model, and saving and loading by format."""
