"""The embedded cluster: just another cluster, for machines without one."""
