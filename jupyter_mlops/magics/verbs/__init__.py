"""The table of verbs, one file for each noun. No noun's package is imported here."""
