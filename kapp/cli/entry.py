"""The `kapp` command: `get` and plain `up` go their own fast ways, everything else to Typer.

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
    if arguments[:1] == ["up"]:
        from kapp.cli import upoptions

        if (options := upoptions.parse(arguments[1:])) is not None:
            from kapp.cli import outcome, running

            return outcome.exit_code_of(lambda: running.run(options))
    from kapp.cli import app

    return app.run(arguments)


def _asks_for_help(arguments: list[str]) -> bool:
    return "--help" in arguments or "-h" in arguments
