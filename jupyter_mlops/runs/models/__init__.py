"""The models of runs: stored in safe formats, described, loaded, registered."""
