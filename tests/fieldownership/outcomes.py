"""What of an answer must be the same on every server."""

from __future__ import annotations

from typing import Any

# Set by each server as it likes.
_SERVERS_OWN = ("uid", "creationTimestamp", "resourceVersion", "namespace", "name", "selfLink")
# Its controllers write nothing but the status of a paused Deployment.
_CONTROLLED = "status"


def outcome(answer: tuple[int, Any]) -> dict[str, Any]:
    """The status; then the object and its owners, or the error's reason and causes."""
    status, body = answer
    if status >= 400:
        return _error(status, body)
    metadata = dict(body["metadata"])
    entries = metadata.pop("managedFields", [])
    for name in _SERVERS_OWN:
        metadata.pop(name, None)
    return {
        "status": status,
        "object": {**body, "metadata": metadata, "status": None},
        "owners": sorted(
            (_entry(entry) for entry in entries if entry.get("subresource") != _CONTROLLED),
            key=lambda entry: (entry["operation"], entry["manager"]),
        ),
    }


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "time"}


def _error(status: int, body: dict[str, Any]) -> dict[str, Any]:
    # A patch that makes no sense is a plain error to a real server, which answers 500.
    found: dict[str, Any] = {"status": 400 if status == 500 else status}
    if status == 409:
        causes = (body.get("details") or {}).get("causes") or ()
        found["causes"] = sorted(map(_cause, causes))  # a real server's order is random
    return found


def _cause(cause: dict[str, Any]) -> list[str]:
    return [cause.get("reason", ""), cause.get("field", ""), cause.get("message", "")]
