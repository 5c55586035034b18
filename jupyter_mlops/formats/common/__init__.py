"""What the formats share: how a model is found, logged into MLflow, judged and answered for."""
