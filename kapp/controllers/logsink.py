"""Where reconcilers write what a user reads with `kapp logs`: each resource's own lines."""

from __future__ import annotations

from collections.abc import Iterable

from kapp.logs.redaction import Redaction
from kapp.logs.store import LogStore, Span

LABEL = ""
"""Of kapp's own lines about a resource; those of containers have the container's name."""


class LogSink:
    """Writes lines about resources into the log store."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._redaction = store.redact = Redaction()
        self._spans: dict[str, Span] = {}

    def write(self, resource: str, text: str, *, level: str = "info") -> None:
        """Append `text`, whole lines, to the logs of `resource`."""
        span = self._spans.get(resource)
        if span is None:
            span = self._spans[resource] = self._store.open(resource, LABEL)
        self._store.append(span, text.encode(), level=level)

    def scrub_secrets(self, wanted: bool) -> None:
        """Whether texts are kept out at all (`secret_settings`)."""
        self._redaction.active = wanted

    def hide(self, resource: str, texts: Iterable[str]) -> None:
        """Keep these texts out of every log from now on, for as long as `resource` names them."""
        self._redaction.hide(resource, texts)
