"""MLflow models as files: `MLmodel`, and a model logged with few calls to the store."""
