"""The Node object: registered at start, refreshed rarely. Source: pkg/kubelet/nodestatus."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kapp import __version__
from kapp.errors import KappError
from kapp.machinery.objects import Object, format_time
from kapp.machinery.status import ApiError
from kapp.minicluster.resources import NODES
from kapp.runtime.client import Client, PatchType

_log = logging.getLogger(__name__)
HEARTBEAT_S = 300.0  # kubelet's nodeStatusReportFrequency; nobody evicts pods here
MAX_PODS = 1000
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def _memory_kib() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    except (ValueError, OSError):
        return 4 * 1024 * 1024


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME") or platform.system()
    except OSError:
        return platform.system()


class Registration:
    """Keeps one Node object."""

    def __init__(self, client: Client, name: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._name = name
        self._now = now
        self._status: dict[str, Any] = {}
        self.capacity = {
            "cpu": str(os.cpu_count() or 1),
            "memory": f"{_memory_kib()}Ki",
            "pods": str(MAX_PODS),
            "ephemeral-storage": "0",
        }

    def _object(self) -> Object:
        machine = platform.machine()
        labels = {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": sys.platform,
            "kubernetes.io/arch": _MACHINES.get(machine, machine),
            "node-role.kubernetes.io/control-plane": "",
        }
        return {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self._name, "labels": labels},
            "spec": {"podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"]},
        }  # fmt: skip

    def _condition(self, kind: str, value: str, reason: str, message: str) -> dict[str, str]:
        moment = format_time(self._now())
        return {
            "type": kind, "status": value, "reason": reason, "message": message,
            "lastHeartbeatTime": moment, "lastTransitionTime": moment,
        }  # fmt: skip

    async def register(self, address: str, mode: str, reason: str) -> None:
        """Create the Node, or take it over, and report it Ready."""
        try:
            await self._client.create(NODES, self._object())
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        what = f"pods run in {mode}: {reason}" if reason else f"pods run in {mode}"
        quiet = [
            self._condition(kind, "False", f"KubeletHas{have}", f"kubelet has {text}")
            for kind, have, text in (
                ("MemoryPressure", "SufficientMemory", "sufficient memory available"),
                ("DiskPressure", "NoDiskPressure", "no disk pressure"),
                ("PIDPressure", "SufficientPID", "sufficient PID available"),
            )
        ]
        machine = platform.machine()
        self._status = {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": self._name},
            ],
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "conditions": [*quiet, self._condition("Ready", "True", "KubeletReady", what)],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {
                "architecture": _MACHINES.get(machine, machine),
                "operatingSystem": sys.platform,
                "osImage": _system_name(),
                "kernelVersion": platform.release(),
                "containerRuntimeVersion": f"kapp-{mode}://{__version__}",
                "kubeletVersion": f"v{__version__}+kapp",
                "kubeProxyVersion": "",
                "machineID": "", "systemUUID": "", "bootID": "",
            },
        }  # fmt: skip
        await self._write()

    async def _write(self) -> None:
        for condition in self._status["conditions"]:
            condition["lastHeartbeatTime"] = format_time(self._now())
        await self._client.patch(
            NODES, self._name, {"status": self._status}, PatchType.MERGE, subresource="status"
        )

    async def heartbeat(self) -> None:
        """Refresh the conditions now and then, for whoever looks at their age."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self._write()
            except KappError as error:
                _log.warning("heartbeat failed", extra={"error": str(error)})
