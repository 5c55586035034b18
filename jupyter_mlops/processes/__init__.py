"""Processes that an execution starts: kernels below a keeper, and all of them ended together."""
