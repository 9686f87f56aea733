"""Watches ApplySets and their members through the official client, and replays what happened.

Every change of a cluster has a resourceVersion from one counter, so that changes of different kinds
have one order (etcd's revision; the embedded cluster's store has one counter, too).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from kubernetes import client, config

PART_OF = "applyset.kubernetes.io/part-of"
ID = "applyset.kubernetes.io/id"
_GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_NAMESPACES = "applyset.kubernetes.io/additional-namespaces"


# A watch ends after so long, and goes on from where it was.
_TURN_S = 2


class Change(NamedTuple):
    """One event of a watch."""

    version: int
    kind: str  # with its group, as annotations write it: Deployment.apps
    type: str
    object: dict[str, Any]


class Api:
    """The kinds that the tests use, listed and watched in all namespaces."""

    def __init__(self, kubeconfig: str) -> None:
        self._api = config.new_client_from_config(kubeconfig)
        core, apps = client.CoreV1Api(self._api), client.AppsV1Api(self._api)
        self.core = core
        self.kinds: dict[str, Callable[..., Any]] = {
            "ConfigMap": core.list_config_map_for_all_namespaces,
            "Secret": core.list_secret_for_all_namespaces,
            "Service": core.list_service_for_all_namespaces,
            "ServiceAccount": core.list_service_account_for_all_namespaces,
            "Deployment.apps": apps.list_deployment_for_all_namespaces,
        }

    def objects(self, namespaces: Iterable[str]) -> dict[tuple[str, str, str], tuple[str, str]]:
        """UID and resourceVersion of all objects, but for those that every namespace has."""
        found = {}
        wanted = set(namespaces)
        for kind, listed in self.kinds.items():
            for item in listed().items:
                meta = item.metadata
                if meta.namespace in wanted and meta.name not in ("kube-root-ca.crt", "default"):
                    key = (kind, meta.namespace, meta.name)
                    found[key] = (meta.uid, meta.resource_version)
        return found


class Ledger:
    """All changes of ApplySet parents and members since it was opened."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._changes: list[Change] = []
        self._closed = threading.Event()
        self._errors: list[BaseException] = []

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        """Watch until the end of the block."""
        threads = []
        for kind, listed in self._api.kinds.items():
            for selector in (PART_OF, ID) if kind == "ConfigMap" else (PART_OF,):
                version = listed(label_selector=selector).metadata.resource_version
                arguments = (kind, listed, selector, version)
                threads.append(threading.Thread(target=self._follow, args=arguments))
                threads[-1].start()
        try:
            yield self
        finally:
            self._closed.set()
            for thread in threads:
                thread.join()

    def _follow(self, kind: str, listed: Callable[..., Any], selector: str, version: str) -> None:
        try:
            while not self._closed.is_set():
                answer = listed(
                    label_selector=selector,
                    resource_version=version,
                    watch=True,
                    timeout_seconds=_TURN_S,
                    _preload_content=False,
                )
                for line in answer:
                    event = json.loads(line)
                    assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._changes.append(Change(int(version), kind, event["type"], event["object"]))
                answer.release_conn()
        except BaseException as error:
            self._errors.append(error)

    def violations(self, namespaces: Iterable[str]) -> list[str]:
        """Every moment at which a member was not covered by its ApplySet's parent.

        Of members in `namespaces`: others may use the cluster too, and did before this began.
        """
        own = set(namespaces)
        parents: dict[str, dict[str, Any]] = {}
        members: dict[str, tuple[str, dict[str, Any]]] = {}
        assert self._errors == []
        assert self._changes
        found = []
        for change in sorted(self._changes, key=lambda one: one.version):
            meta = change.object["metadata"]
            labels = meta.get("labels") or {}
            if identity := labels.get(ID):
                parents[identity] = change.object
                if change.type == "DELETED":
                    del parents[identity]
            elif change.type == "DELETED":
                members.pop(meta["uid"], None)
            else:
                members[meta["uid"]] = (change.kind, meta)
            for kind, member in members.values():
                if member["namespace"] not in own:
                    continue
                if not _covers(parents.get(member["labels"][PART_OF]), kind, member):
                    found.append(
                        f"at {change.version}: {kind} {member['namespace']}/{member['name']}"
                    )
        return found


def _covers(parent: dict[str, Any] | None, kind: str, member: dict[str, Any]) -> bool:
    if parent is None:
        return False
    meta = parent["metadata"]
    kinds = meta["annotations"][_GROUP_KINDS].split(",")
    namespaces = meta["annotations"].get(_NAMESPACES, "").split(",")
    return kind in kinds and member["namespace"] in (meta["namespace"], *namespaces)
