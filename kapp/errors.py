"""The errors a user sees. Imports nothing.

    KappError                 message, hint, location
    ├── UsageError            the command line is wrong (exit code 2)
    ├── ConfigError           a file kapp was given is wrong (kubeconfig, manifest, state)
    │   └── KappfileError     with the Kappfile's frames
    ├── ClusterError          a cluster said no, or cannot be reached
    │   └── Unreachable       nothing answered; heals by itself, so it is retried
    └── kapp.machinery.status.ApiError   a Kubernetes Status, from or to an API server

Rendered in one place (`kapp/cli/render.py`): one sentence, the location, a `hint:` line. A foreign
exception is chained (`raise … from e`), never shown on its own.
"""

from __future__ import annotations


class KappError(Exception):
    """What went wrong, in one sentence without a final period.

    `hint` says what to do; `location` says where (`path:line`, or `Kind/name field.path`).
    """

    def __init__(self, message: str, *, hint: str = "", location: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        return f"{self.location}: {self.message}" if self.location else self.message

    def one_line(self) -> str:
        """The message, location and hint on one line, for a status field."""
        return f"{self} ({self.hint})" if self.hint else str(self)


class UsageError(KappError):
    """The command line is wrong; the CLI exits with 2."""


class ConfigError(KappError):
    """A file that kapp was given cannot be used as it is."""


class ClusterError(KappError):
    """A cluster refused something, or something there is not as needed."""


class Unreachable(ClusterError):
    """Nothing answers at a cluster's address; the caller retries."""
