"""The command line of every program of the cluster."""

from __future__ import annotations

from pathlib import Path

from .layout import NODE, NODE_ADDRESS, SERVICE_NETWORK
from .plan import Plan


def etcd(plan: Plan) -> list[str]:
    """The database: on loopback, for holders of a certificate. Nothing is kept, so no fsync."""
    client = f"https://127.0.0.1:{plan.etcd_port}"
    peer = f"https://127.0.0.1:{plan.etcd_peer_port}"
    tls = {
        "trusted-ca-file": plan.certificate("ca.crt"),
        "cert-file": plan.certificate("etcd.crt"),
        "key-file": plan.certificate("etcd.key"),
        "client-cert-auth": "true",
    }
    return _command(
        plan.program("usr/bin/etcd"),
        {
            "name": "real",
            "data-dir": str(plan.files().path("etcd")),
            "unsafe-no-fsync": "true",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"real={peer}",
            **tls,
            **{f"peer-{name}": value for name, value in tls.items()},
        },
    )


def containerd(plan: Plan) -> list[str]:
    """The container runtime."""
    return _command(
        plan.program("usr/bin/containerd"), {"config": plan.configuration("containerd.toml")}
    )


def import_images(plan: Plan) -> list[str]:
    """Gives the prepared images to containerd, where Kubernetes looks for them."""
    socket = str(plan.files().containerd_socket)
    images = ["--namespace", "k8s.io", "images", "import", plan.images]
    return [plan.program("usr/bin/ctr"), "--address", socket, *images]


def api_server(plan: Plan) -> list[str]:
    """The API, on 127.0.0.1 alone; it reaches the kubelet by the node's name in the hosts file."""
    return _kubernetes(
        plan,
        "kube-apiserver",
        {
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": str(plan.api_port),
            # It would refuse to publish a loopback address as the endpoint of its own Service.
            "endpoint-reconciler-type": "none",
            "tls-cert-file": plan.certificate("api.crt"),
            "tls-private-key-file": plan.certificate("api.key"),
            "client-ca-file": plan.certificate("ca.crt"),
            "etcd-servers": f"https://127.0.0.1:{plan.etcd_port}",
            "etcd-cafile": plan.certificate("ca.crt"),
            "etcd-certfile": plan.certificate("etcd.crt"),
            "etcd-keyfile": plan.certificate("etcd.key"),
            "kubelet-preferred-address-types": "Hostname",
            "kubelet-certificate-authority": plan.certificate("ca.crt"),
            "kubelet-client-certificate": plan.certificate("api.crt"),
            "kubelet-client-key": plan.certificate("api.key"),
            "service-cluster-ip-range": SERVICE_NETWORK,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": plan.certificate("accounts.pub"),
            "service-account-signing-key-file": plan.certificate("accounts.key"),
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
        },
    )


def controller_manager(plan: Plan) -> list[str]:
    """The built-in controllers; they listen nowhere."""
    return _kubernetes(
        plan,
        "kube-controller-manager",
        {
            "kubeconfig": plan.configuration("controller-manager.kubeconfig"),
            "secure-port": "0",
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": plan.certificate("accounts.key"),
            "root-ca-file": plan.certificate("ca.crt"),
        },
    )


def scheduler(plan: Plan) -> list[str]:
    """Gives pods their node; listens nowhere."""
    return _kubernetes(
        plan,
        "kube-scheduler",
        {
            "kubeconfig": plan.configuration("scheduler.kubeconfig"),
            "secure-port": "0",
            "leader-elect": "false",
        },
    )


def kubelet(plan: Plan) -> list[str]:
    """The node."""
    return _kubernetes(
        plan,
        "kubelet",
        {
            "config": plan.configuration("kubelet.json"),
            "kubeconfig": plan.configuration("kubelet.kubeconfig"),
            "root-dir": str(plan.files().path("kubelet")),
            "cert-dir": str(plan.files().path("kubelet", "pki")),
            "hostname-override": NODE,
            "node-ip": NODE_ADDRESS,
        },
    )


def _kubernetes(plan: Plan, name: str, flags: dict[str, str]) -> list[str]:
    return _command(str(Path(plan.binaries, name)), flags)


def _command(program: str, flags: dict[str, str]) -> list[str]:
    return [program, *(f"--{name}={value}" for name, value in flags.items())]
