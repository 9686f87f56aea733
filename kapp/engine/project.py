"""Which project a Kappfile is: the name under which a cluster keeps what it applied."""

from __future__ import annotations

import hashlib
import os
import platform
import re

# 32 bits, beside a name that already tells projects of one person apart.
_HASH_DIGITS = 8
# The inventory turns more than this into another hash (kapp.cluster.inventory.parent_name).
_NAME_CHARS = 30


def project_id(kappfile: str) -> str:
    """A stable name: the directory's, and a hash of user, machine and the Kappfile's real path.

    Two people who share a cluster, or one person with two checkouts, have different projects.
    """
    path = os.path.realpath(kappfile)
    text = "\0".join([str(os.getuid()), _machine(), path])
    digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:_HASH_DIGITS]
    directory = os.path.basename(os.path.dirname(path)).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", directory)[:_NAME_CHARS].strip("-")
    return f"{slug}-{digest}" if slug else digest


def _machine() -> str:
    """What tells this machine from others: its id, else its name. Source: machine-id(5)."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            if identity := file.read().strip():
                return identity
    except OSError:
        pass
    return platform.node()
