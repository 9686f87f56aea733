"""Sockets in front of a registry: listeners, TLS, authentication, streaming."""
