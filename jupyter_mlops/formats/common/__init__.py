"""Shared code of the formats: the base class, the registry, MLflow's files, torch modules."""
