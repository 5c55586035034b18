"""The MLflow store of a project: embedded or a team's, and the spool for while a team's is away."""
