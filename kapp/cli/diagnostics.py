"""What kapp says about itself while it runs: warnings on stderr, with their fields."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

from kapp.cli.outcome import BUG_HINT
from kapp.errors import KappError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """`warning: constant text key=value …`; the fields are the record's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; below it for an exception, a hint, or for debugging, its traceback."""
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields.setdefault("error", _one_line(error))
        pairs = [f"{name}={value}" for name, value in fields.items()]
        text = " ".join([f"{record.levelname.lower()}: {record.getMessage()}", *pairs])
        if record.exc_info and os.environ.get("KAPP_DEBUG"):
            return f"{text}\n{self.formatException(record.exc_info)}"
        hint = error.hint if isinstance(error, KappError) else BUG_HINT
        return f"{text}\nhint: {hint}" if error is not None and hint else text


def _one_line(error: BaseException) -> str:
    """An exception in a line; one of kapp's own explains itself without its class."""
    if isinstance(error, KappError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


def configure() -> None:
    """Send warnings of this process to stderr; everything with KAPP_DEBUG set."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter())
    level = logging.DEBUG if os.environ.get("KAPP_DEBUG") else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler])


@contextlib.contextmanager
def shown_by(write: Callable[[str], None]) -> Iterator[None]:
    """Give what would go to stderr to `write`, in whole lines: something else owns the terminal."""
    root = logging.getLogger()
    before = root.handlers[:]
    handler = _Writer(write)
    handler.setFormatter(FieldFormatter())
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before


class _Writer(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        self._write(f"{self.format(record)}\n")
