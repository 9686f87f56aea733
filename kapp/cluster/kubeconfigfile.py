"""Writes the kubeconfig of one context, for programs that are run against its cluster."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from kapp import yamlio
from kapp.cluster.kubeconfig import KubeContext


def write_kubeconfig(path: Path, context: KubeContext) -> None:
    """Write `context`, as the current and only one, to a file that its user alone can read."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context.context,
        "clusters": [{"name": context.cluster, "cluster": _cluster(context)}],
        "users": [{"name": "user", "user": _user(context)}],
        "contexts": [
            {
                "name": context.context,
                "context": {
                    "cluster": context.cluster,
                    "user": "user",
                    "namespace": context.namespace,
                },
            }
        ],
    }
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(yamlio.dump(config))
    temporary.replace(path)


def _cluster(context: KubeContext) -> dict[str, Any]:
    found = {
        "server": context.server,
        "certificate-authority-data": _base64(context.ca),
        "insecure-skip-tls-verify": context.insecure_skip_tls_verify,
        "tls-server-name": context.tls_server_name,
        "proxy-url": context.proxy_url,
    }
    return {key: value for key, value in found.items() if value}


def _user(context: KubeContext) -> dict[str, Any]:
    found = {
        "client-certificate-data": _base64(context.cert),
        "client-key-data": _base64(context.key),
        "token": context.token,
        "tokenFile": context.token_file,
        "username": context.username,
        "password": context.password,
        "as": context.impersonate,
        "exec": dict(context.exec) if context.exec else None,
        "auth-provider": dict(context.auth_provider) if context.auth_provider else None,
    }
    return {key: value for key, value in found.items() if value}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
