"""The table of verbs, one file for each noun. Nothing here imports a noun."""
