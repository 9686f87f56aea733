"""Container images without a registry: one docker archive made from files of this machine.

`python:3.13-alpine`, the image of the example, holds this machine's Python (whatever its release)
with the C library it uses, each file at the path it has here, and busybox; `busybox:1.36` holds
Debian's static busybox; the pause image holds one static program. Format of the archive: moby's
image/spec/v1.2.md ("Combined Image JSON + Filesystem Changeset Format").
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from . import packages
from .layout import PAUSE_IMAGE, Cache, digest_of

PYTHON_IMAGE = "python:3.13-alpine"
BUSYBOX_IMAGE = "busybox:1.36"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Big, and no program that a test runs needs them.
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
_LEFT_OUT |= {"site-packages", "dist-packages"}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def archive(cache: Cache) -> Path:
    """Where the images of this Python and these sources lie."""
    digest = digest_of(
        Path(__file__).read_bytes(), sys.version.encode(), str(cache.binaries).encode()
    )
    return cache.root / f"images-{digest}.tar"


def ensure(cache: Cache) -> Path:
    """The archive; made from the unpacked packages and the built programs if it is not there."""
    target = archive(cache)
    if target.exists():
        return target
    busybox = _busybox_layer(packages.ensure(cache) / "bin/busybox")
    pause = _Layer()
    pause.file(cache.binaries / "pause", "pause")
    with tempfile.NamedTemporaryFile(dir=cache.root, prefix="images-", delete=False) as scratch:
        with tarfile.open(fileobj=scratch, mode="w") as tar:
            _write(
                tar,
                {
                    PAUSE_IMAGE: ([pause.finish()], ["/pause"]),
                    BUSYBOX_IMAGE: ([busybox], ["sh"]),
                    PYTHON_IMAGE: ([busybox, _python_layer()], ["python3"]),
                },
            )
        os.rename(scratch.name, target)
    return target


class _Layer:
    """A tar of one file system layer, in memory; the first file of a path wins."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w")
        self._names: set[str] = set()

    def file(self, source: Path, name: str) -> None:
        """The content that `source` leads to, at `name`."""
        if self._new(name):
            entry = self._tar.gettarinfo(str(source.resolve()), name)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            with source.open("rb") as content:
                self._tar.addfile(entry, content)

    def text(self, name: str, content: str) -> None:
        """A small file."""
        if self._new(name):
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            self._tar.addfile(entry, io.BytesIO(content.encode()))

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        if self._new(name):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            self._tar.addfile(entry)

    def directory(self, name: str, mode: int) -> None:
        """An empty directory."""
        if self._new(name):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            self._tar.addfile(entry)

    def finish(self) -> bytes:
        """The layer's bytes."""
        self._tar.close()
        return self._bytes.getvalue()

    def _new(self, name: str) -> bool:
        is_new = name not in self._names
        self._names.add(name)
        return is_new


def _busybox_layer(busybox: Path) -> bytes:
    layer = _Layer()
    layer.file(busybox, "bin/busybox")
    listed = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        layer.link(name, "/bin/busybox")
    for name, content in _FILES.items():
        layer.text(name, content)
    layer.directory("tmp", 0o1777)
    layer.directory("root", 0o700)
    return layer.finish()


def _python_layer() -> bytes:
    layer = _Layer()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    executable = Path(sys.base_prefix, "bin", f"python{version}").resolve()
    layer.file(executable, _inside(executable))
    for name in ("python3", f"python{version}"):
        layer.link(f"usr/local/bin/{name}", str(executable))
    needing = [executable]
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    for folder in sorted(folders):
        for parent, directories, files in os.walk(folder):
            directories[:] = sorted(name for name in directories if name not in _LEFT_OUT)
            for path in (Path(parent, name) for name in sorted(files)):
                if path.suffix in {".a", ".o"} or not path.exists():
                    continue
                layer.file(path, _inside(path))
                if path.suffix == ".so":
                    needing.append(path)
    for path in _libraries(needing):
        layer.file(path, _inside(path))
    return layer.finish()


def _libraries(programs: list[Path]) -> list[Path]:
    """The shared libraries, and the loader, that these need; as ldd(1) finds them."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE)
    return [Path(path) for path in sorted(set(found))]


def _inside(path: Path) -> str:
    return str(path).lstrip("/")


def _write(tar: tarfile.TarFile, images: dict[str, tuple[list[bytes], list[str]]]) -> None:
    """Write layers, configurations and the manifest of images: name to (layers, command)."""
    manifest = []
    written: set[str] = set()

    def add(name: str, content: bytes) -> str:
        if name not in written:
            written.add(name)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return name

    for name, (layers, command) in images.items():
        digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
        configuration = {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Cmd": command, "Env": [_PATH], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
        text = json.dumps(configuration).encode()
        layer_names = [
            add(f"{digest}.tar", layer) for digest, layer in zip(digests, layers, strict=True)
        ]
        manifest.append(
            {
                "Config": add(f"{hashlib.sha256(text).hexdigest()}.json", text),
                "RepoTags": [name],
                "Layers": layer_names,
            }
        )
    add("manifest.json", json.dumps(manifest).encode())
