"""The Debian packages the node is made of, unpacked into the cache: nothing is installed.

Installing them would start services and leave them on the machine; unpacked, they are files that
only the cluster's own processes see.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path

from .layout import Cache

NAMES = ("etcd-server", "containerd", "runc", "containernetworking-plugins", "busybox-static")


def folder(cache: Cache) -> Path:
    """Where they are unpacked: keyed by distribution, since they use its C library."""
    system = platform.freedesktop_os_release()
    return cache.root / f"packages-{system['ID']}-{system.get('VERSION_ID', 'rolling')}"


def ensure(cache: Cache) -> Path:
    """The root that holds their files; downloaded and unpacked if it is not there yet."""
    target = folder(cache)
    if target.exists():
        return target
    print(f"downloading {', '.join(NAMES)}", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="packages-") as scratch:
        downloads, root = Path(scratch, "downloads"), Path(scratch, "root")
        downloads.mkdir()
        _download(downloads)
        for package in sorted(downloads.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
        root.rename(target)
    return target


def _download(directory: Path) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # As root itself: apt's own user may not write below a private directory.
    options = ["--quiet", "--quiet", "--option", "APT::Sandbox::User=root"]
    for command in (["update"], ["download", *NAMES]):
        subprocess.run(["apt-get", *options, *command], cwd=directory, env=environment, check=True)
