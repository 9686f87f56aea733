"""What an engine is told at its start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from kapp.cluster.kubeconfig import KubeContext


def utc_now() -> datetime:
    """The wall time of a real engine."""
    return datetime.now(UTC)


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line decided; everything else is in the Kappfile.

    Attributes:
        kappfile: path of the Kappfile; need not exist yet.
        context: the cluster, already resolved (`kapp.cluster.kubeconfig.load`).
        kubeconfig: the files that `context` came from, absolute, listed as in $KUBECONFIG; kept
            for `kapp down`.
        args: the words after `--`.
        resources: words before `--`: arguments as well, hence the resources to enable at first.
        port_forwards: whether to forward ports.
        exit_condition: "ci" ends the session when every target is done.
        ci_timeout: how long a CI run may take, such as 30m; "" for the default.
        env: the environment that the Kappfile sees.
        tls: whether to serve the API on loopback, for kubectl and libraries.
        now: wall time.
    """

    kappfile: str
    context: KubeContext
    kubeconfig: str = ""
    args: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    port_forwards: bool = True
    exit_condition: Literal["manual", "ci"] = "manual"
    ci_timeout: str = ""
    env: Mapping[str, str] = msgspec.field(default_factory=lambda: dict(os.environ))
    tls: bool = True
    now: Callable[[], datetime] = utc_now
