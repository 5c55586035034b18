"""The MLflow store of a project: opened, read, asked whether it is there, and waited for while it is away."""
