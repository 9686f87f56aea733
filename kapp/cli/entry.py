"""The `kapp` command: sends hot reads down the instant path, everything else to Typer.

Imports little, and of the standard library only: what it imports, every `kapp get` pays.
"""

from __future__ import annotations

import sys

_INSTANT = ("get", "describe", "explain", "api-resources")


def main() -> int:
    """Run the command line in `sys.argv`; returns the exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _INSTANT and not _asks_for_help(arguments):
        from kapp.cli import instant

        return instant.run(arguments[0], arguments[1:])
    from kapp.cli import app

    return app.run(arguments)


def _asks_for_help(arguments: list[str]) -> bool:
    return "--help" in arguments or "-h" in arguments
