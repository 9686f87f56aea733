"""Where reconcilers write what a user reads with `kapp logs`."""

from __future__ import annotations

from typing import Protocol


class LogSink(Protocol):
    """Takes text that belongs to a resource."""

    def write(self, resource: str, text: str) -> None:
        """Append `text`, whole lines, to the logs of `resource`."""
        ...
