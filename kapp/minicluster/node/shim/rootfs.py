"""A container's file system: the host's, copy-on-write, with volumes mounted into it.

Runs in the forked child that becomes the container, after `unshare(CLONE_NEWNS)`, so every mount
made here belongs to that container alone. Two ways to build the root, chosen once per shim:

- overlay: each local file system of the host is the lower layer; what the container writes lands in
  a layer on the shim's tmpfs;
- read-only: where the kernel refuses an overlay (older or restricted user namespaces), the host's
  top-level directories are bound read-only under a tmpfs, and /tmp and /run are writable.

Volumes are mounted after pivot_root, through descriptors that were opened before it, so that
symbolic links in a mountPath resolve inside the container and cannot lead to the host.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kapp.minicluster.node.shim import syscalls
from kapp.minicluster.node.shim.syscalls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC

OVERLAY = "overlay"
READ_ONLY = "read-only"

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Root without capabilities may still write these, so they are read-only (runc's readonlyPaths)
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_FRESH = ("proc", "sys", "dev", "run")  # never taken from the host
_WRITABLE = ("tmp", "run", "var/tmp")  # what the read-only way gives a tmpfs
# File systems that are interfaces of the kernel or of another program, not storage
_VIRTUAL_TYPES = frozenset(
    "proc sysfs devtmpfs devpts cgroup cgroup2 mqueue debugfs tracefs securityfs pstore bpf "
    "configfs efivarfs hugetlbfs binfmt_misc autofs rpc_pipefs fusectl nsfs ramfs selinuxfs".split()
)


def host_mounts() -> list[str]:
    """Mount points of the host's storage other than `/`, outer before inner."""
    points: list[str] = []
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields, _, rest = line.partition(" - ")
            point = fields.split()[4].encode().decode("unicode_escape")
            top = point.split("/")[1]
            if point != "/" and top not in _FRESH and rest.split()[0] not in _VIRTUAL_TYPES:
                points.append(point)
    return sorted(dict.fromkeys(points), key=lambda point: point.count("/"))


def _escaped(path: str) -> str:
    return "".join(f"\\{c}" if c in "\\:," else c for c in path)


def mount_overlay(lower: str, layer: str, target: str, *, user_xattr: bool) -> None:
    """Mount `lower` copy-on-write at `target`; the writes land in the directory `layer`.

    The layer's own path is kept out of the mount options, whose separators it might contain.
    """
    for name in ("upper", "work"):
        os.makedirs(os.path.join(layer, name), exist_ok=True)
    info = os.stat(lower)
    os.chmod(os.path.join(layer, "upper"), stat.S_IMODE(info.st_mode))
    options = f"lowerdir={_escaped(lower)},upperdir=upper,workdir=work"
    here = os.open(".", os.O_PATH)
    try:
        os.chdir(layer)
        syscalls.mount(
            "overlay", target, "overlay", 0, options + (",userxattr" if user_xattr else "")
        )
    finally:
        os.fchdir(here)
        os.close(here)


def _bind(source: str, target: str, *, read_only: bool) -> None:
    syscalls.mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        syscalls.make_read_only(target)


def _tmpfs(target: str, mode: str = "0755") -> None:
    syscalls.mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode}")


def _overlay_root(root: str, layers: str, points: Sequence[str], user_xattr: bool) -> None:
    layer = os.path.join(layers, "root")
    os.makedirs(layer)
    mount_overlay("/", layer, root, user_xattr=user_xattr)
    for number, point in enumerate(points):
        target = root + point
        if not os.path.isdir(point) or not os.path.isdir(target):
            continue  # a file bound from elsewhere (as container runtimes do for /etc/hosts)
        layer = os.path.join(layers, str(number))
        os.makedirs(layer)
        try:
            mount_overlay(point, layer, target, user_xattr=user_xattr)
        except OSError:
            _bind(point, target, read_only=True)


def _bind_children(source: str, target: str) -> None:
    """Show every entry of `source`, read-only, in the empty directory `target`."""
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        try:
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
                continue
            if entry.is_dir():
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            _bind(entry.path, path, read_only=True)
        except OSError:
            continue  # an entry this user may not see is not in the container either


def _read_only_root(root: str) -> None:
    _tmpfs(root)
    _bind_children("/", root)
    for name in _WRITABLE:
        if os.path.isdir(os.path.join(root, name)):
            _tmpfs(os.path.join(root, name), "1777")


def _protect_proc(proc: str) -> None:
    for name in _PROC_READ_ONLY:
        path = f"{proc}/{name}"
        if os.path.exists(path):
            syscalls.mount(path, path, "", MS_BIND | MS_REC)
            syscalls.make_read_only(path)


def _kernel_file_systems(root: str, *, privileged: bool) -> None:
    """Fresh /proc, /sys (read-only), /dev, /run."""
    for name in _FRESH:
        os.makedirs(os.path.join(root, name), exist_ok=True)
    _tmpfs(f"{root}/run")
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    for kind, target in (("proc", f"{root}/proc"), ("sysfs", f"{root}/sys")):
        try:
            syscalls.mount(kind, target, kind, flags)
        except OSError:
            # refused inside a container whose own /proc or /sys is partly masked
            syscalls.mount(target.removeprefix(root), target, "", MS_BIND | MS_REC)
    try:
        syscalls.make_read_only(f"{root}/sys")
    except OSError:
        syscalls.umount_detached(f"{root}/sys")
    if not privileged:
        _protect_proc(f"{root}/proc")
    dev = f"{root}/dev"
    syscalls.mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        syscalls.mount(f"/dev/{name}", f"{dev}/{name}", "", MS_BIND)
    for name, link in (
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
    ):  # fmt: skip
        os.symlink(link, f"{dev}/{name}")
    os.mkdir(f"{dev}/pts")
    syscalls.mount(
        "devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )  # fmt: skip
    os.mkdir(f"{dev}/shm")
    _tmpfs(f"{dev}/shm", "1777")


def _mirror(directory: str) -> None:
    """Make a read-only directory writable by a tmpfs that shows the same entries."""
    original = os.open(directory, os.O_PATH)
    try:
        _tmpfs(directory)
        _bind_children(f"/proc/self/fd/{original}", directory)
    finally:
        os.close(original)


def _create(target: str, *, directory: bool) -> None:
    parent = target if directory else os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    if not directory:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def ensure_mount_point(target: str, *, directory: bool) -> None:
    """Make `target` exist, in a read-only directory too."""
    if os.path.exists(target):
        return
    try:
        _create(target, directory=directory)
    except OSError:
        ancestor = os.path.dirname(target)
        while not os.path.isdir(ancestor):
            ancestor = os.path.dirname(ancestor)
        _mirror(ancestor)
        _create(target, directory=directory)


def _mount_volumes(mounts: list[dict[str, Any]], sources: list[int]) -> None:
    for mount, source in zip(mounts, sources, strict=True):
        target = os.path.realpath(mount["target"])
        directory = stat.S_ISDIR(os.fstat(source).st_mode)
        ensure_mount_point(target, directory=directory)
        _bind(f"/proc/self/fd/{source}", target, read_only=mount["read_only"])


@dataclass(frozen=True)
class Base:
    """How roots are built on this host: the way, an option of overlays, and `host_mounts()`."""

    way: str
    user_xattr: bool
    points: Sequence[str]


def enter(spec: dict[str, Any], layers: str, base: Base) -> None:
    """Build the container's root as `spec` says and make it this process's root.

    `spec`: `mounts` (list of `source`, `target`, `read_only`, inner after outer), `hidden` (paths
    shown as empty directories), `read_only` (the root itself), `privileged`. `layers` is a
    directory on the shim's tmpfs for this container's writes. Raises OSError.
    """
    root = os.path.join(layers, "merged")
    os.makedirs(root)
    if base.way == OVERLAY:
        _overlay_root(root, layers, base.points, base.user_xattr)
    else:
        _read_only_root(root)
    _kernel_file_systems(root, privileged=spec["privileged"])
    for path in spec["hidden"]:
        if os.path.isdir(root + path):
            _tmpfs(root + path, "0700")
    sources = [os.open(mount["source"], os.O_PATH) for mount in spec["mounts"]]
    old_root = os.open("/", os.O_PATH)
    os.chdir(root)
    syscalls.pivot_root(".", ".")
    _mount_volumes(spec["mounts"], sources)
    os.fchdir(old_root)
    syscalls.umount_detached(".")
    for descriptor in (old_root, *sources):
        os.close(descriptor)
    os.chdir("/")
    if spec["read_only"]:
        # /dev, /run and the like are mounts of their own and stay writable, as in a container
        syscalls.make_read_only("/", recursive=False)
