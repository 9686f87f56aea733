"""Builtins that declare what runs on Kubernetes."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import cast

import msgspec

from kapp.kappfile.assembly.declarations import (
    DeclaredObject,
    DeferredObjects,
    KindRule,
    Naming,
    ResourceOptions,
)
from kapp.kappfile.builtins.ports import forwards_of
from kapp.kappfile.builtins.sources import manifests_of, sources_of
from kapp.kappfile.errors import ArgumentError, KappfileError
from kapp.kappfile.filtering import Filter
from kapp.kappfile.manifests import Manifest, join
from kapp.kappfile.model import DiscoveryStrategy, Link, PodReadiness, TriggerMode
from kapp.kappfile.registry import builtin, constant
from kapp.kappfile.session import Call
from kapp.kappfile.values import (
    KIND,
    Value,
    a,
    blob_value,
    boolean,
    items,
    kind_of,
    one_of,
    optional_string,
    pending_number,
    string,
    string_dict,
    strings,
    wrong,
)

TOPIC = "Kubernetes"

READINESS_MODES = ("wait", "ignore", "succeeded")
DISCOVERY_STRATEGIES = ("default", "selectors-only")
TRIGGER_MODES = ("auto", "manual")

# Kubernetes' label names: k8s.io/apimachinery/pkg/util/validation, IsQualifiedName without prefix.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

constant(
    "TRIGGER_MODE_AUTO",
    topic=TOPIC,
    starlark='"auto"',
    doc="A change is deployed as soon as it is seen.",
    example="trigger_mode(TRIGGER_MODE_AUTO)",
)
constant(
    "TRIGGER_MODE_MANUAL",
    topic=TOPIC,
    starlark='"manual"',
    doc="A change waits until it is triggered.",
    example="trigger_mode(TRIGGER_MODE_MANUAL)",
)


@builtin(
    "k8s_yaml",
    topic=TOPIC,
    takes_pending=True,
    example="k8s_yaml('kubernetes.yaml')\nk8s_yaml(['manifests/*.yaml', read_file('extra.yaml')])",
)
def k8s_yaml(call: Call, yaml: Value, allow_duplicates: Value = False) -> None:
    """Deploy the objects in these manifests.

    Args:
        yaml: a path, a pattern with `*`, `?`, `[…]` or `**`, a blob of YAML, or a list of these.
            Paths start at the directory of the file that is executed.
        allow_duplicates: accept an object that was declared before.
    """
    allow = boolean("allow_duplicates", allow_duplicates)
    frames, declared = call.frames, call.session.declared
    objects: list[DeclaredObject] = []
    deferred: list[DeferredObjects] = []
    for item in sources_of(yaml):
        number = pending_number(item)
        if number is not None:
            position = len(declared.objects) + len(objects)
            deferred.append(DeferredObjects(position, number, frames, allow))
            continue
        manifests = manifests_of(call.session, item)
        objects += [DeclaredObject(manifest, frames, allow) for manifest in manifests]
    declared.objects += objects
    declared.deferred += deferred


@builtin(
    "k8s_resource",
    topic=TOPIC,
    example=(
        "k8s_yaml('kubernetes.yaml')\n"
        "k8s_resource('example-go', port_forwards=['8000:8080'], labels=['backend'])"
    ),
)
def k8s_resource(
    call: Call,
    workload: Value = "",
    new_name: Value = "",
    port_forwards: Value = (),
    extra_pod_selectors: Value = (),
    trigger_mode: Value = None,
    resource_deps: Value = (),
    objects: Value = (),
    auto_init: Value = None,
    pod_readiness: Value = "",
    links: Value = (),
    labels: Value = (),
    discovery_strategy: Value = "",
    only_containers: Value = None,
    ignore_containers: Value = None,
) -> None:
    """Configure a resource, or make one of objects that run no pods. May be called repeatedly.

    Args:
        workload: the resource: its workload's name, or `name:kind`, … where that is not unique.
        new_name: what the resource is called from now on.
        port_forwards: `8000`, `'8000:8080'`, `'0.0.0.0:8000:8080'`, `port_forward(…)`, or a list.
        extra_pod_selectors: labels, or a list of such dicts, of pods that belong to it as well.
        trigger_mode: TRIGGER_MODE_AUTO or TRIGGER_MODE_MANUAL.
        resource_deps: resources that must have been ready once before this one is deployed.
        objects: objects to take in: `name`, `name:kind` or `name:kind:namespace`.
        auto_init: whether it is deployed when kapp starts.
        pod_readiness: `'wait'` for ready pods, `'ignore'` them, or `'succeeded'`.
        links: URLs, `link(…)`, or a list.
        labels: names to group resources by.
        discovery_strategy: `'default'`, or `'selectors-only'` to find pods by labels alone.
        only_containers: names of the containers whose logs are followed.
        ignore_containers: those that are not, instead of the sidecars of Istio and Linkerd.
    """
    if only_containers and ignore_containers:
        raise KappfileError(
            "k8s_resource: only_containers and ignore_containers exclude each other",
            hint="name those to follow, or those to leave out",
        )
    call.session.declared.options.append(
        ResourceOptions(
            workload=optional_string("workload", workload),
            new_name=optional_string("new_name", new_name),
            objects=tuple(strings("objects", objects)),
            port_forwards=tuple(forwards_of(call.session, "port_forwards", port_forwards)),
            extra_pod_selectors=tuple(
                string_dict("extra_pod_selectors", item) for item in items(extra_pod_selectors)
            ),
            trigger_mode=cast(
                "TriggerMode | None", choice("trigger_mode", trigger_mode, TRIGGER_MODES)
            ),
            auto_init=None if auto_init is None else boolean("auto_init", auto_init),
            resource_deps=tuple(strings("resource_deps", resource_deps)),
            pod_readiness=readiness_of(pod_readiness),
            links=tuple(link_of(item) for item in items(links)),
            labels=tuple(label(item) for item in strings("labels", labels)),
            discovery_strategy=cast(
                "DiscoveryStrategy | None",
                choice("discovery_strategy", discovery_strategy, DISCOVERY_STRATEGIES),
            ),
            only_containers=_names("only_containers", only_containers),
            ignore_containers=_names("ignore_containers", ignore_containers),
            frames=call.frames,
        )
    )


def choice(argument: str, value: Value, allowed: Sequence[str]) -> str | None:
    """One of the allowed strings, or None if nothing was chosen."""
    return None if value in (None, "") else one_of(argument, value, allowed)


def readiness_of(value: Value) -> PodReadiness | None:
    """The pod readiness mode, or None if none was given."""
    return cast("PodReadiness | None", choice("pod_readiness", value, READINESS_MODES))


def label(value: str) -> str:
    """A label's name, checked."""
    if not _LABEL.fullmatch(value):
        raise KappfileError(
            f"`{value}` is no label",
            hint="a label has up to 63 letters, digits, `-`, `_` or `.`, and ends in none of these",
        )
    return value


def link_of(value: Value) -> Link:
    """A link from a URL or from what `link` returned."""
    if isinstance(value, str):
        return Link(_url(value))
    if kind_of(value) == "link":
        return Link(value["url"], value["name"])
    raise wrong("links", "a URL or link(…)", value)


def _url(value: str) -> str:
    """A URL; one without a scheme is http, as in Tilt."""
    if not value or any(letter.isspace() for letter in value):
        raise KappfileError(f"`{value}` is no URL", hint="such as 'http://localhost:8000'")
    return value if "://" in value else f"http://{value}"


@builtin(
    "link",
    topic=TOPIC,
    returns_struct=True,
    example="k8s_yaml('kubernetes.yaml')\n"
    "k8s_resource('example-go', links=[link('http://localhost:8000/docs', 'docs')])",
)
def link(call: Call, url: Value, name: Value = "") -> Value:
    """A URL with a name, for `links=`."""
    return {KIND: "link", "url": _url(string("url", url)), "name": optional_string("name", name)}


@builtin(
    "k8s_kind",
    topic=TOPIC,
    example="k8s_kind('UselessMachine', api_version='example.dev/v1', pod_readiness='ignore')",
)
def k8s_kind(
    call: Call,
    kind: Value,
    api_version: Value = "",
    *,
    image_json_path: Value = (),
    image_object: Value = None,
    pod_readiness: Value = "",
) -> None:
    """Tell that objects of a kind run pods, so that each becomes a resource.

    Args:
        kind: such as `'UselessMachine'`.
        api_version: such as `'example.dev/v1'`; empty means any.
        image_json_path: where images stand; accepted for Tiltfiles, as kapp builds no images yet.
        image_object: as image_json_path.
        pod_readiness: `'wait'`, `'ignore'` or `'succeeded'` for resources of this kind.
    """
    call.session.declared.kinds.append(
        KindRule(
            string("kind", kind),
            optional_string("api_version", api_version),
            readiness_of(pod_readiness),
        )
    )


@builtin(
    "workload_to_resource_function",
    topic=TOPIC,
    example=(
        "k8s_yaml('kubernetes.yaml')\n"
        "workload_to_resource_function(lambda id: id.name.removeprefix('example-'))\n"
        "k8s_resource('go', port_forwards=8000)"
    ),
    starlark="""def {id}(func):
    kept = _kapp_keep(func) if "function" in _kapp_type(func) else _kapp_type(func)
    {py}(call_stack(strip_frames=1), kept)
""",
)
def workload_to_resource_function(call: Call, func: Value) -> None:
    """Name the resources of workloads by a function; a later call replaces an earlier one.

    Args:
        func: takes the workload's id, a struct with `name`, `kind`, `namespace` and `group`
            (`default` and `core` where there is none), and returns the resource's name.
    """
    if not isinstance(func, int):  # the prelude passes what it kept, or the type of what it did not
        raise ArgumentError(f"`func` must be a function, not {a(str(func))}", "func")
    session = call.session
    session.declared.naming = Naming(
        partial(session.call_function, session.files[-1], func), call.frames
    )


@builtin(
    "filter_yaml",
    topic=TOPIC,
    example="services, rest = filter_yaml('kubernetes.yaml', kind='service')\nk8s_yaml(rest)",
    starlark="""def {id}(yaml, labels=None, name=None, namespace=None, kind=None, api_version=None):
    found, rest = {py}(call_stack(strip_frames=1), yaml, labels, name, namespace, kind, api_version)
    return _kapp_value(found), _kapp_value(rest)
""",
)
def filter_yaml(
    call: Call,
    yaml: Value,
    labels: Value = None,
    name: Value = None,
    namespace: Value = None,
    kind: Value = None,
    api_version: Value = None,
) -> list[Value]:
    """Split manifests into those that match all conditions, and the rest: two blobs.

    Args:
        yaml: as for `k8s_yaml`.
        labels: labels that must all be there, with these values.
        name: a regular expression found in the name, in any case of letters; so are the following.
        namespace: … in the namespace (`default` if the object has none).
        kind: … in the kind.
        api_version: … in the apiVersion.
    """
    wanted = Filter.build(
        labels=string_dict("labels", labels or {}),
        name=optional_string("name", name),
        namespace=optional_string("namespace", namespace),
        kind=optional_string("kind", kind),
        api_version=optional_string("api_version", api_version),
    )
    found: list[Manifest] = []
    rest: list[Manifest] = []
    for manifest in manifests_of(call.session, yaml):
        (found if wanted.accepts(manifest.object) else rest).append(manifest)
    return [blob_value(join(found)), blob_value(join(rest))]


@builtin("k8s_context", topic=TOPIC, example="print(k8s_context())")
def k8s_context(call: Call) -> str:
    """The name of the Kubernetes context that kapp deploys to."""
    return call.session.context.name


@builtin("k8s_namespace", topic=TOPIC, example="print(k8s_namespace())")
def k8s_namespace(call: Call) -> str:
    """The namespace of objects that name none."""
    return call.session.context.namespace


@builtin("allow_k8s_contexts", topic=TOPIC, example="allow_k8s_contexts('staging')")
def allow_k8s_contexts(call: Call, contexts: Value) -> None:
    """Let kapp write to these contexts, which are no local clusters.

    Args:
        contexts: a name or a list of names, as `kubectl config get-contexts` prints them.
    """
    declared = call.session.declared
    allowed = declared.settings.allowed_contexts | set(strings("contexts", contexts))
    declared.settings = msgspec.structs.replace(declared.settings, allowed_contexts=allowed)


@builtin("trigger_mode", topic=TOPIC, example="trigger_mode(TRIGGER_MODE_MANUAL)")
def trigger_mode(call: Call, trigger_mode: Value) -> None:
    """Set the trigger mode of all resources that do not set their own. May be called once.

    Args:
        trigger_mode: TRIGGER_MODE_AUTO or TRIGGER_MODE_MANUAL.
    """
    declared = call.session.declared
    if declared.trigger_mode is not None:
        where = str(declared.trigger_mode_frames[-1])
        raise KappfileError(f"may be called once; it was called at {where}")
    declared.trigger_mode = cast("TriggerMode", one_of("trigger_mode", trigger_mode, TRIGGER_MODES))
    declared.trigger_mode_frames = call.frames


def _names(argument: str, value: Value) -> tuple[str, ...] | None:
    return None if value is None else tuple(strings(argument, value))
