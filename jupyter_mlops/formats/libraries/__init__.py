"""What formats share about a library: scikit-learn estimators, torch modules."""
