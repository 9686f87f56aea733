"""Turns how a command ended into an exit code, and says why.

A command raises `KappError` for what the user should know; anything else is a bug in kapp and says
so, with a traceback only under `--debug`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from kapp.cli.render import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, exit_code, say, show_error
from kapp.errors import KappError, UsageError

BUG_HINT = "this is a bug in kapp; run again with `kapp --debug …` and report the traceback"
"""To whoever meets an exception that is none of kapp's own."""


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command, which returns its exit code or nothing; its exit code."""
    try:
        result = command()
    except KappError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _failed(error: KappError) -> int:
    if os.environ.get("KAPP_DEBUG"):
        raise error
    show_error(error)
    return exit_code(error)


def _unexpected(error: Exception) -> int:
    # Typer's own errors carry an exit code; recognised by shape, since its class tree moves.
    message = getattr(error, "format_message", None)
    if message is not None:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "kapp"
        text = str(message()).rstrip(".")
        show_error(UsageError(text[:1].lower() + text[1:], hint=f"see `{path} --help`"))
        return EXIT_USAGE
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", EXIT_FAILED))
    if type(error).__name__ == "Abort":
        return EXIT_INTERRUPTED
    if os.environ.get("KAPP_DEBUG"):
        raise error
    say(f"error: kapp failed unexpectedly: {type(error).__name__}: {error}")
    say(f"hint: {BUG_HINT}")
    return EXIT_FAILED
