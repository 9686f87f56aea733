"""Generic Kubernetes API machinery: knows no kind, no socket and no clock.

Both of kapp's servers (its own API and the embedded cluster) are built from it: a `Scheme` of
kinds, a `Store`, and the REST rules of a `Registry`.
"""
