"""What must not be stored: secrets are found, and replaced before anything is written."""
