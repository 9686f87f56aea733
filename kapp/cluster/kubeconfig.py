"""Reads kubeconfigs as kubectl does, without importing `kubernetes`.

Rules (k8s.io/client-go/tools/clientcmd/loader.go): of several files the first that names a
cluster, user, context or the current context wins; missing files of `KUBECONFIG` are passed over;
relative paths are relative to the file that holds them; `…-data` wins over the file.
Everything wrong is a ConfigError that names the file and what to do.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapp import yamlio
from kapp.cluster import product as products
from kapp.errors import ConfigError

_DEFAULT_NAMESPACE = "default"


class NoContext(ConfigError):
    """No kubeconfig names a context to use: there is no cluster unless one is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeContext:
    """All that is needed to connect to one cluster. Secrets are left out of its repr.

    `ca`, `cert` and `key` are PEM. `exec` and `auth_provider` are the user's sections as they are,
    for `kapp.cluster.credentials`; `directory` is where their relative commands are looked for.
    """

    context: str
    cluster: str
    namespace: str
    server: str
    ca: bytes = b""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    cert: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    impersonate: str = ""
    exec: Mapping[str, Any] | None = field(default=None, repr=False)
    auth_provider: Mapping[str, Any] | None = field(default=None, repr=False)
    cluster_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    directory: str = ""
    product: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the production guard lets it pass without being told to."""
        return products.is_local(self.product, self.server)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named section and the file that it came from."""

    name: str
    value: Mapping[str, Any]
    file: Path

    def text(self, key: str) -> str:
        value = self.value.get(key)
        return str(value) if value is not None else ""

    def flag(self, key: str) -> bool:
        return self.value.get(key) is True

    def path(self, key: str) -> Path | None:
        value = self.text(key)
        return self.file.parent / value if value else None

    def data(self, key: str) -> bytes:
        """The bytes of `key-data` (base64) or of the file that `key` names; b"" for neither."""
        if encoded := self.text(f"{key}-data"):
            try:
                return base64.b64decode(encoded, validate=True)
            except binascii.Error as e:
                raise ConfigError(
                    f"{key}-data of {self.name} is not base64", location=str(self.file)
                ) from e
        path = self.path(key)
        if path is None:
            return b""
        try:
            return path.read_bytes()
        except OSError as e:
            raise ConfigError(
                f"{key} of {self.name} cannot be read: {path}: {e.strerror}",
                location=str(self.file),
                hint="the kubeconfig refers to a file that is gone; fetch a new kubeconfig",
            ) from e


class KubeConfig:
    """Several kubeconfig files as one."""

    def __init__(self, files: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        self.files = tuple(path for path, _ in files)
        self.current_context = ""
        self._sections: dict[str, dict[str, _Entry]] = {"cluster": {}, "context": {}, "user": {}}
        for path, document in files:
            self.current_context = self.current_context or str(
                document.get("current-context") or ""
            )
            for kind, entries in self._sections.items():
                for item in _items(document, f"{kind}s", path):
                    name = str(item.get("name") or "")
                    value = item.get(kind)
                    entry = _Entry(name, value if isinstance(value, Mapping) else {}, path)
                    entries.setdefault(name, entry)

    @property
    def contexts(self) -> list[str]:
        """The names of all contexts, in the order of the files."""
        return list(self._sections["context"])

    def context(self, name: str = "", namespace: str = "") -> KubeContext:
        """The context `name`, or the current one. Raises NoContext, ConfigError."""
        wanted = name or self.current_context
        if not wanted:
            raise NoContext(
                "no Kubernetes context is selected",
                hint="kubectl config use-context NAME, or --context NAME",
                location=", ".join(str(file) for file in self.files),
            )
        context = self._entry("context", wanted)
        cluster = self._entry("cluster", context.text("cluster"), context)
        user_name = context.text("user")
        user = (
            self._entry("user", user_name, context) if user_name else _Entry("", {}, context.file)
        )
        server = cluster.text("server")
        if not server:
            raise ConfigError(
                f"cluster {cluster.name} has no server",
                location=str(cluster.file),
                hint=f"kubectl config set-cluster {cluster.name} --server=https://…",
            )
        return KubeContext(
            context=wanted,
            cluster=cluster.name,
            namespace=namespace or context.text("namespace") or _DEFAULT_NAMESPACE,
            server=server if "://" in server else f"https://{server}",
            product=products.detect(wanted, cluster.name, _providers(cluster, context)),
            **_cluster_fields(cluster),
            **_user_fields(user),
        )

    def _entry(self, kind: str, name: str, referrer: _Entry | None = None) -> _Entry:
        entries = self._sections[kind]
        if name in entries:
            return entries[name]
        known = ", ".join(entries) or "none"
        if referrer is not None:
            raise ConfigError(
                f"context {referrer.name} refers to {kind} {name!r}, which does not exist",
                location=str(referrer.file),
                hint=f"known {kind}s: {known}",
            )
        raise ConfigError(
            f"there is no {kind} {name!r}",
            location=", ".join(str(file) for file in self.files),
            hint=f"known {kind}s: {known}",
        )


def paths(path: str | Path | None = None, env: Mapping[str, str] = os.environ) -> list[Path]:
    """The files to read: `path`, else those of $KUBECONFIG, else ~/.kube/config."""
    if path:
        return [Path(path).expanduser()]
    if listed := [part for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]:
        return [Path(part).expanduser() for part in dict.fromkeys(listed)]
    return [Path(env.get("HOME") or Path.home()) / ".kube" / "config"]


def read(path: str | Path | None = None, env: Mapping[str, str] = os.environ) -> KubeConfig:
    """Read and merge. A `path` that does not exist is an error; others are passed over."""
    files: list[tuple[Path, Mapping[str, Any]]] = []
    for file in paths(path, env):
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            if path:
                raise ConfigError("the kubeconfig does not exist", location=str(file)) from None
            continue
        except (OSError, UnicodeDecodeError) as e:
            why = getattr(e, "strerror", None) or str(e)
            raise ConfigError(f"cannot read the kubeconfig: {why}", location=str(file)) from e
        files.append((file.absolute(), _parse(text, file)))
    return KubeConfig(files)


def load(
    path: str | Path | None = None,
    context: str = "",
    namespace: str = "",
    *,
    env: Mapping[str, str] = os.environ,
) -> KubeContext:
    """The context to use. Raises NoContext when none is selected, ConfigError."""
    return read(path, env).context(context, namespace)


def _parse(text: str, file: Path) -> Mapping[str, Any]:
    try:
        documents = yamlio.parse(text)
    except ConfigError as e:
        raise ConfigError(
            f"the kubeconfig is not valid YAML: {e}", location=str(file), hint=e.hint
        ) from e
    document = documents[0].value if documents else {}
    if not isinstance(document, Mapping):
        raise ConfigError(
            "the kubeconfig is not a YAML mapping",
            hint="is KUBECONFIG, or --kubeconfig, the right file?",
            location=str(file),
        )
    return document


def _items(document: Mapping[str, Any], key: str, file: Path) -> list[Mapping[str, Any]]:
    items = document.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise ConfigError(f"{key} of the kubeconfig is not a list of entries", location=str(file))
    return items


def _providers(*entries: _Entry) -> tuple[str, ...]:
    extensions = [e for entry in entries for e in entry.value.get("extensions") or ()]
    values = [e.get("extension") for e in extensions if isinstance(e, Mapping)]
    return tuple(str(v.get("provider") or "") for v in values if isinstance(v, Mapping))


def _cluster_fields(cluster: _Entry) -> dict[str, Any]:
    return {
        "ca": cluster.data("certificate-authority"),
        "insecure_skip_tls_verify": cluster.flag("insecure-skip-tls-verify"),
        "tls_server_name": cluster.text("tls-server-name"),
        "proxy_url": cluster.text("proxy-url"),
        "cluster_info": cluster.value,
    }


def _user_fields(user: _Entry) -> dict[str, Any]:
    if user.value.get("as-groups") or user.value.get("as-user-extra"):
        raise ConfigError(
            f"user {user.name} impersonates groups, which kapp does not support",
            location=str(user.file),
            hint="use a user without as-groups and as-user-extra",
        )
    token_file = user.path("tokenFile")
    return {
        "cert": user.data("client-certificate"),
        "key": user.data("client-key"),
        "token": user.text("token"),
        "token_file": str(token_file) if token_file else "",
        "username": user.text("username"),
        "password": user.text("password"),
        "impersonate": user.text("as"),
        "exec": user.value.get("exec"),
        "auth_provider": user.value.get("auth-provider"),
        "directory": str(user.file.parent),
    }
