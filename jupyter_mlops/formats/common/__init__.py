"""What the formats share: their base class, the registry, MLflow's files, torch modules."""
