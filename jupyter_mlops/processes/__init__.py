"""Which process it is, and the processes that an execution starts: kernels below a keeper, all ended together."""
