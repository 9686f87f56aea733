"""What a pod's containers share: a process, a network, an IPC and a host-name namespace.

The first process of a pod's process namespace does nothing: it reaps orphans, and the kernel kills
every process of the pod when it ends. It dies with the shim. The node's own network namespace (the
shim's) has a bridge that joins the pods; neither has a way to or from the host's network.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import Any

from kapp.minicluster.node.shim import rtnetlink, syscalls
from kapp.minicluster.node.shim.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWPID,
    CLONE_NEWUTS,
)

BRIDGE = "kapp0"
NODE_ADDRESS = "10.244.0.1"
POD_PREFIX_LENGTH = 16
SERVICE_NETWORK = "10.96.0.0"
SERVICE_PREFIX_LENGTH = 12
_KINDS = {"net": CLONE_NEWNET, "ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS, "pid": CLONE_NEWPID}


def create_node_network() -> None:
    """The bridge of the calling process's (new) network namespace. Raises OSError."""
    rtnetlink.set_up("lo")
    rtnetlink.add_bridge(BRIDGE)
    rtnetlink.add_address(BRIDGE, NODE_ADDRESS, POD_PREFIX_LENGTH)
    rtnetlink.set_up(BRIDGE)
    # every Service address is ours, so that a socket of the node can listen on it
    rtnetlink.add_local_network(SERVICE_NETWORK, SERVICE_PREFIX_LENGTH)


@dataclass
class Sandbox:
    """A pod's namespaces, held open by descriptors."""

    uid: str
    pid: int
    host_network: bool
    link: str
    namespaces: dict[str, int] = field(default_factory=dict)

    def enter(self) -> None:
        """Move the calling process in; its next child is the first in the process namespace."""
        for kind, descriptor in self.namespaces.items():
            syscalls.setns(descriptor, _KINDS[kind])

    def close(self) -> None:
        """Let go of the namespaces; the pod's first process must have been killed."""
        for descriptor in self.namespaces.values():
            os.close(descriptor)
        self.namespaces.clear()


def _configure(address: str) -> None:
    rtnetlink.set_up("lo")
    rtnetlink.add_address("eth0", address, POD_PREFIX_LENGTH)
    rtnetlink.set_up("eth0")
    rtnetlink.add_route(SERVICE_NETWORK, SERVICE_PREFIX_LENGTH, NODE_ADDRESS)


def _allow_low_ports() -> None:
    """Any user of the pod may listen on any port, as containerd sets it up."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as setting:
            setting.write("0")
    except OSError:
        return  # a read-only /proc/sys; root in the pod can listen anyway


def _first_process(start: int, done: int, spec: dict[str, Any]) -> None:
    """The body of a pod's first process; never returns."""
    try:
        if not os.read(start, 1):
            os._exit(1)  # the shim died in between
        # from here on the parent is the shim: the process between is gone
        syscalls.die_with_parent(signal.SIGKILL)
        syscalls.set_process_name("kapp-pod")
        if not spec["host_network"]:
            _configure(spec["address"])
            _allow_low_ports()
        os.write(done, b"{}")
    except OSError as error:
        os.write(done, json.dumps({"error": str(error)}).encode())
        os._exit(1)
    os.closerange(0, 1024)
    os.chdir("/")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        # with SIGCHLD ignored the kernel reaps the pod's orphans by itself
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()


def _between(report: int, start: int, done: int, spec: dict[str, Any]) -> None:
    """Make the namespaces and fork the first process into them; never returns."""
    try:
        flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
        syscalls.unshare(flags if spec["host_network"] else flags | CLONE_NEWNET)
        if spec["host_network"]:
            syscalls.setns(spec["host_network_fd"], CLONE_NEWNET)
        socket.sethostname(spec["hostname"])
        first = os.fork()
        if first == 0:
            _first_process(start, done, spec)
        os.write(report, json.dumps({"pid": first}).encode())
    except OSError as error:
        os.write(report, json.dumps({"error": str(error)}).encode())
    os._exit(0)


def create(spec: dict[str, Any], link: str, host_network_fd: int) -> Sandbox:
    """A pod's namespaces, from `uid`, `hostname`, `address`, `host_network`. Raises OSError."""
    report_r, report_w = os.pipe()
    start_r, start_w = os.pipe()
    done_r, done_w = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            os.close(start_w)
            _between(report_w, start_r, done_w, spec | {"host_network_fd": host_network_fd})
        os.close(report_w)
        os.close(done_w)
        report_w = done_w = -1
        answer = json.loads(os.read(report_r, 4096) or b'{"error": "the pod could not be forked"}')
        os.waitpid(between, 0)
        if "error" in answer:
            raise OSError(answer["error"])
        sandbox = Sandbox(spec["uid"], answer["pid"], spec["host_network"], link)
        for kind in _KINDS:
            sandbox.namespaces[kind] = os.open(f"/proc/{sandbox.pid}/ns/{kind}", os.O_RDONLY)
        if not sandbox.host_network:
            rtnetlink.add_veth(link, "eth0", sandbox.pid, BRIDGE)
        os.write(start_w, b"\0")
        answer = json.loads(os.read(done_r, 4096) or b'{"error": "the pod\'s first process died"}')
        if "error" in answer:
            raise OSError(answer["error"])
        return sandbox
    finally:
        for descriptor in (report_r, report_w, start_r, start_w, done_r, done_w):
            if descriptor >= 0:
                os.close(descriptor)
