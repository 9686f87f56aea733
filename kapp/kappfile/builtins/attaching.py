"""`k8s_attach`: resources of objects that others deployed."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import re

from kapp.kappfile.assembly.declarations import Attachment, ResourceOptions
from kapp.kappfile.builtins.kubernetes import TOPIC, label, link_of, readiness_of
from kapp.kappfile.builtins.ports import forwards_of
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.model import Attach
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.suggest import did_you_mean
from kapp.kappfile.values import (
    Value,
    items,
    not_yet,
    optional_string,
    resource_name,
    string,
    string_dict,
    strings,
)

_KINDS = {
    "pod": ("v1", "Pod", "po"),
    "service": ("v1", "Service", "svc"),
    "deployment": ("apps/v1", "Deployment", "deploy"),
    "statefulset": ("apps/v1", "StatefulSet", "sts"),
    "daemonset": ("apps/v1", "DaemonSet", "ds"),
    "replicaset": ("apps/v1", "ReplicaSet", "rs"),
    "replicationcontroller": ("v1", "ReplicationController", "rc"),
    "job": ("batch/v1", "Job", "job"),
}
"""What runs pods or leads to them, with kubectl's short names."""

_WORDS = {
    word: kind for kind, (_, _, short) in _KINDS.items() for word in (kind, f"{kind}s", short)
}
# Names of these kinds are DNS subdomains at most: RFC 1123, as k8s.io/apimachinery checks them.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@builtin(
    "k8s_attach",
    topic=TOPIC,
    example=(
        "k8s_attach('database', 'statefulset/postgres', namespace='shared', port_forwards=5432)\n"
        "k8s_attach('gateway', 'svc/gateway', port_forwards='8080:80')"
    ),
)
def k8s_attach(
    call: Call,
    name: Value,
    obj: Value,
    namespace: Value = "",
    deps: Value = (),
    live_update: Value = (),
    image_selector: Value = "",
    container_selector: Value = "",
    port_forwards: Value = (),
    extra_pod_selectors: Value = (),
    resource_deps: Value = (),
    pod_readiness: Value = "",
    links: Value = (),
    labels: Value = (),
) -> None:
    """Forward to, log and watch what kapp did not deploy. It is never changed or deleted.

    The object need not be there yet, and may be replaced; its pods are found by their owner, those
    of a Service by its selector, and its ports then are the Service's.

    Args:
        name: of the resource, which `k8s_resource` configures further.
        obj: `kind/name` as for kubectl: `'deployment/web'`, `'svc/web'`, `'pod/web-0'`, ….
        namespace: of the object; by default the one that kapp deploys to.
        deps: accepted for Tiltfiles, as there is no live update yet.
        live_update: not part of kapp yet.
        image_selector: as deps.
        container_selector: as deps.
        port_forwards: as of `k8s_resource`, and so are the following.
        extra_pod_selectors: labels of pods that belong to it as well.
        resource_deps: resources that must have been ready once before.
        pod_readiness: `'wait'`, `'ignore'` or `'succeeded'`.
        links: URLs, `link(…)`, or a list.
        labels: names to group resources by.
    """
    not_yet("live_update", live_update)
    name = resource_name(name)
    attach = _attach(string("obj", obj), optional_string("namespace", namespace))
    declared = call.session.declared
    declared.attachments.append(Attachment(name, attach, call.frames))
    declared.options.append(
        ResourceOptions(
            workload=name,
            port_forwards=tuple(forwards_of(call.session, "port_forwards", port_forwards)),
            extra_pod_selectors=tuple(
                string_dict("extra_pod_selectors", item) for item in items(extra_pod_selectors)
            ),
            resource_deps=tuple(strings("resource_deps", resource_deps)),
            pod_readiness=readiness_of(pod_readiness),
            links=tuple(link_of(item) for item in items(links)),
            labels=tuple(label(item) for item in strings("labels", labels)),
            frames=call.frames,
        )
    )


def _attach(text: str, namespace: str) -> Attach:
    written, slash, name = text.partition("/")
    if not slash:
        raise KappfileError(
            f"`obj` must be kind/name, not `{text}`", hint=f"such as 'deployment/{text or 'web'}'"
        )
    kind = _WORDS.get(written.lower().partition(".")[0])
    if kind is None:
        raise KappfileError(
            f"`{written}` is no kind to attach to",
            hint=did_you_mean(written, _WORDS) or f"there are {', '.join(_KINDS)}",
        )
    for word in (name, *([namespace] if namespace else [])):
        if not _NAME.fullmatch(word):
            raise KappfileError(f"`{word}` is no name of an object")
    api_version, canonical, _ = _KINDS[kind]
    return Attach(api_version, canonical, name, namespace)
