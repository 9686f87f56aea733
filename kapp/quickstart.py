"""What lets a process that will run for long begin sooner. Called by those who start one.

Reading modules makes many objects and no garbage, and aiohttp, when it is imported, loads the
certificate authorities of the system for connections that bring no TLS context of their own. Each
takes a tenth of a start. kapp's connections all bring one (`kapp.cluster.connection`); one that did
not would trust nobody.
"""

from __future__ import annotations

import gc
import os

# Where OpenSSL looks for certificate authorities, if not where it was built to.
_AUTHORITIES = "SSL_CERT_FILE"


def begin() -> None:
    """Collect no garbage until `end`, and import aiohttp without the system's authorities."""
    gc.disable()
    before = os.environ.get(_AUTHORITIES)
    os.environ[_AUTHORITIES] = os.devnull
    try:
        import aiohttp  # noqa: F401
    finally:
        if before is None:
            del os.environ[_AUTHORITIES]
        else:
            os.environ[_AUTHORITIES] = before


def end() -> None:
    """Collect garbage from now on, but never look at what the start has made: it stays."""
    gc.freeze()
    gc.enable()
