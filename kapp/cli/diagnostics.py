"""What kapp says about itself while it runs: warnings on stderr, with their fields."""

from __future__ import annotations

import logging
import os

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """`warning: constant text key=value …`; the fields are the record's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it if there is one."""
        fields = [f"{k}={v}" for k, v in vars(record).items() if k not in _STANDARD]
        text = " ".join([f"{record.levelname.lower()}: {record.getMessage()}", *fields])
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


def configure() -> None:
    """Send warnings of this process to stderr; everything with KAPP_DEBUG set."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter())
    level = logging.DEBUG if os.environ.get("KAPP_DEBUG") else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler])
