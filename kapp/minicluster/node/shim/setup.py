"""Turn the shim's process into the node: its own mount and network namespaces.

Called once, at start. As root the namespaces are made directly; otherwise a user namespace comes
first, in which the user is root. Any failure ends the shim, and the node starts it again in
`processes` mode with the reason.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass

from kapp.minicluster.node.shim import rootfs, sandbox, syscalls
from kapp.minicluster.node.shim.syscalls import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER


@dataclass(frozen=True)
class Host:
    """What the machine allows: how roots are built, and whether other users can be assumed."""

    base: rootfs.Base
    may_change_user: bool
    host_network: int
    why: str


def _unshare() -> bool:
    """New mount and network namespaces; True when a user namespace was not needed."""
    try:
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWNET)
        return True
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
    uid, gid = os.getuid(), os.getgid()
    syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"),
    ):  # fmt: skip
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return False


def _try_overlay(base: str, name: str, user_xattr: bool) -> str:
    """Whether an overlay of `/` can be mounted and written: "" or why not. In a child process."""
    report_r, report_w = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            syscalls.unshare(CLONE_NEWNS)
            layer, merged = f"{base}/{name}", f"{base}/{name}/merged"
            os.makedirs(merged)
            rootfs.mount_overlay("/", layer, merged, user_xattr=user_xattr)
            # a new directory in an old one is what every mount point needs
            os.makedirs(f"{merged}/etc/.kapp-probe/inner")
            os.rename(f"{merged}/etc/.kapp-probe/inner", f"{merged}/etc/.kapp-probe/other")
            os.rmdir(f"{merged}/etc/.kapp-probe/other")
            os.rmdir(f"{merged}/etc/.kapp-probe")
        except OSError as error:
            text = f"{error.strerror or error}"
        os.write(report_w, json.dumps(text).encode())
        os._exit(0)
    os.close(report_w)
    answer = os.read(report_r, 4096)
    os.close(report_r)
    os.waitpid(child, 0)
    return str(json.loads(answer or b'"the probe died"'))


def become_node(base: str) -> Host:
    """Make the namespaces, the tmpfs at `base` and the bridge; find out what works. Raises OSError.

    `base` is an existing directory; what is mounted there is seen by this process and its children
    only.
    """
    host_network = os.open("/proc/self/ns/net", os.O_RDONLY)
    privileged = _unshare()
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    points = rootfs.host_mounts()
    syscalls.mount("tmpfs", base, "tmpfs", syscalls.MS_NODEV, "mode=0755")
    way, user_xattr, why = rootfs.OVERLAY, False, _try_overlay(base, "probe", False)
    if why:
        user_xattr = True
        if _try_overlay(base, "probe-xattr", True):
            way, user_xattr = rootfs.READ_ONLY, False
        else:
            why = ""
    sandbox.create_node_network()
    # one pod, to find out now, not at the first real one, that a kernel lacks something
    probe = {"uid": "probe", "hostname": "probe", "address": "10.244.255.254",
             "host_network": False}  # fmt: skip
    pod = sandbox.create(probe, "vethprobe", -1)
    os.kill(pod.pid, 9)
    os.waitpid(pod.pid, 0)
    pod.close()
    return Host(
        rootfs.Base(way, user_xattr, points), privileged, host_network if privileged else -1, why
    )
