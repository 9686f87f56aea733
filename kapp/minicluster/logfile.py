"""The cluster's log: one line an event, with its fields, in a file that stays small."""

from __future__ import annotations

import json
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_LOG_BYTES = 2 * 1024 * 1024
"""Of each of two files: the one being written and the one before."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """`time level logger: message key=value …`, then the traceback if there is one."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """The record with the fields given in `extra`."""
        text = super().format(record)
        fields = [
            f"{name}={json.dumps(value, default=str)}"
            for name, value in record.__dict__.items()
            if name not in _STANDARD
        ]
        first, newline, rest = text.partition("\n")
        return " ".join((first, *fields)) + newline + rest


def log_to(path: Path) -> logging.Handler:
    """Send all logs from INFO on to `path` (0600), and nowhere else."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    handler = RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(FieldFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Access logs of a server that every client watches would drown the rest.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    return handler
