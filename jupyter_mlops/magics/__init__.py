"""`%mlops`: the table of verbs, the parser that it makes, and the IPython glue."""
