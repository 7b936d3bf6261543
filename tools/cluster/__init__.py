"""A real Kubernetes on one machine, for the demo and for tests/cluster.  `python3 -m tools.cluster --help`."""
