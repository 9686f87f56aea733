"""`kapp version`: which kapp this is."""

from __future__ import annotations

import platform

from kapp import __version__


def version() -> None:
    """Print which kapp this is."""
    print(f"kapp {__version__} (kapp.dev, the continuous deployer; not Carvel's kapp)")
    print(f"python {platform.python_version()} on {platform.system().lower()}/{platform.machine()}")
