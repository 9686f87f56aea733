"""The configuration files of containerd, the pod network, the kubelet and every client.

Each is JSON where the program takes JSON (all of Kubernetes' do: it is YAML).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from .layout import (
    BRIDGE,
    CGROUP,
    NODE,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_NETWORK,
    SERVICE_ADDRESS,
)
from .plan import Plan

# What the kubelet sets for the whole machine; it is shown its own files with these values instead.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

# Tools that write only to clusters of this machine know such by this prefix and a loopback address.
_CONTEXT = "kind-kapp-real"

_CONTAINERD = """\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
# Without CAP_SYS_RESOURCE nobody may lower a score, and runc ends without a container.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni_programs}"
conf_dir = "{cni_configuration}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def write(plan: Plan) -> None:
    """Write every file into the run directory."""
    run = plan.files()
    etc = run.path("etc")
    (etc / "cni").mkdir(parents=True)
    (etc / "containerd.toml").write_text(
        _CONTAINERD.format(
            root=run.path("containerd"),
            socket=run.containerd_socket,
            pause=PAUSE_IMAGE,
            cni_programs=plan.program("usr/lib/cni"),
            cni_configuration=etc / "cni",
        )
    )
    _write_json(etc / "cni/10-bridge.conflist", _pod_network(plan))
    _write_json(etc / "kubelet.json", _kubelet(plan))
    for user in ("admin", "controller-manager", "scheduler", "kubelet"):
        path = run.kubeconfig if user == "admin" else etc / f"{user}.kubeconfig"
        path.touch(mode=0o600)
        _write_json(path, _kubeconfig(plan, user))
    # The API server reaches the kubelet by the node's name, on loopback.
    (etc / "hosts").write_text(f"127.0.0.1 localhost {NODE}\n")
    # No pod has a way out; a name that is not in its hosts file is unknown at once.
    (etc / "resolv.conf").write_text("")
    for name, value in KERNEL_SETTINGS.items():
        path = etc / "sysctl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


def _pod_network(plan: Plan) -> dict[str, Any]:
    """A bridge without a gateway's duties: forwarding between networks stays as it is."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_NETWORK, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(plan.files().path("cni")),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "hairpinMode": True, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(plan: Plan) -> dict[str, Any]:
    """KubeletConfiguration; what is not here has Kubernetes' default."""
    nothing = dict.fromkeys(
        ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
    )
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": plan.kubelet_port,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": plan.certificate("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": plan.certificate("kubelet.crt"),
        "tlsPrivateKeyFile": plan.certificate("kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{plan.files().containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        # The disk is not the cluster's own: how full it is says nothing about the tests.
        "evictionHard": nothing,
        "imageGCHighThresholdPercent": 100,
        "resolvConf": plan.configuration("resolv.conf"),
        # Nothing answers there; without an address each pod gets a warning event.
        "clusterDNS": [SERVICE_ADDRESS],
        "podLogsDir": str(plan.files().path("log", "pods")),
        "volumePluginDir": str(plan.files().path("volume-plugins")),
    }


def _kubeconfig(plan: Plan, user: str) -> dict[str, Any]:
    def data(file: str) -> str:
        return base64.b64encode(Path(plan.certificate(file)).read_bytes()).decode()

    server = f"https://127.0.0.1:{plan.api_port}"
    keys = {
        "client-certificate-data": data(f"{user}.crt"),
        "client-key-data": data(f"{user}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": _CONTEXT,
                "cluster": {"server": server, "certificate-authority-data": data("ca.crt")},
            }
        ],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": _CONTEXT, "context": {"cluster": _CONTEXT, "user": user}}],
        "current-context": _CONTEXT,
    }
