"""Keeps what cannot be parsed as HTTP out of the log. Used by `http.Server`.

aiohttp logs such a request as an error, with a traceback and the line that it stumbled over. That
line may be the Authorization header, and anyone who can connect could fill the log with it.
"""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_log = logging.getLogger(__name__)


class _Discreet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; a malformed request leaves a debug message that quotes nothing."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError):
            return True
        _log.debug("malformed request refused", extra={"error": type(error).__name__})
        return False


def protocol_log() -> logging.Logger:
    """The logger that aiohttp's connections are given."""
    logger = logging.getLogger(f"{__name__}.protocol")
    if not logger.filters:
        logger.addFilter(_Discreet())
    return logger
