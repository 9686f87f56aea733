"""Where reconcilers write what a user reads with `kapp logs`: each resource's own lines."""

from __future__ import annotations

from kapp.logs.store import LogStore, Span

LABEL = ""
"""Of kapp's own lines about a resource; those of containers have the container's name."""


class LogSink:
    """Writes lines about resources into the log store."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._spans: dict[str, Span] = {}

    def write(self, resource: str, text: str, *, level: str = "info") -> None:
        """Append `text`, whole lines, to the logs of `resource`."""
        span = self._spans.get(resource)
        if span is None:
            span = self._spans[resource] = self._store.open(resource, LABEL)
        self._store.append(span, text.encode(), level=level)
