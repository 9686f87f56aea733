"""Tables: objects and calls in, resources or an error out."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from kapp.kappfile.errors import KappfileError
from kapp.kappfile.model import PortForward

Obj = dict[str, Any]


def pods(labels: Obj | None = None) -> Obj:
    return {
        "metadata": {"labels": labels or {}},
        "spec": {"containers": [{"name": "main", "image": "img"}]},
    }


def obj(kind: str, name: str, api: str = "v1", ns: str = "", **fields: Any) -> Obj:
    meta = {"name": name} | ({"namespace": ns} if ns else {})
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def deploy(name: str, ns: str = "", labels: Obj | None = None, kind: str = "Deployment") -> Obj:
    labels = labels or {"app": name}
    return obj(kind, name, "apps/v1", ns, spec={"template": pods(labels)})


def job(name: str, ns: str = "") -> Obj:
    return obj("Job", name, "batch/v1", ns, spec={"template": pods({"job": name})})


def cron(name: str) -> Obj:
    template = {"spec": {"template": pods()}}
    return obj("CronJob", name, "batch/v1", spec={"jobTemplate": template})


def service(name: str, ns: str = "", **selector: str) -> Obj:
    return obj("Service", name, ns=ns, spec={"selector": selector} if selector else {})


def config(name: str, ns: str = "") -> Obj:
    return obj("ConfigMap", name, ns=ns)


class Case(NamedTuple):
    id: str
    objects: list[Obj]
    expected: dict[str, list[str]]
    calls: str = ""


CASES = [
    Case("nothing but a config map", [config("a")], {"uncategorized": ["ConfigMap/a"]}),
    Case("one deployment", [deploy("web")], {"web": ["Deployment/web"]}),
    Case("name in lower case", [deploy("Web")], {"web": ["Deployment/Web"]}),
    Case(
        "two deployments in order",
        [deploy("b"), deploy("a")],
        {"b": ["Deployment/b"], "a": ["Deployment/a"]},
    ),
    Case("bare pod", [obj("Pod", "p", spec=pods()["spec"])], {"p": ["Pod/p"]}),
    Case(
        "replication controller",
        [obj("ReplicationController", "rc", spec={"template": pods()})],
        {"rc": ["ReplicationController/rc"]},
    ),
    Case(
        "deployment whose containers are still to be written",
        [obj("Deployment", "web", "apps/v1", spec={})],
        {"web": ["Deployment/web"]},
    ),
    Case(
        "custom kind with a container image",
        [obj("Rollout", "web", "argoproj.io/v1alpha1", spec={"template": pods()})],
        {"web": ["Rollout/web"]},
    ),
    Case(
        "custom kind without one",
        [obj("Gadget", "g", "x.dev/v1", spec={"template": {"spec": {"containers": []}}})],
        {"uncategorized": ["Gadget/g"]},
    ),
    Case(
        "init container's image counts",
        [obj("Gadget", "g", "x.dev/v1", spec={"template": {"spec": {"initContainers": [
            {"image": "i"}]}}})],
        {"g": ["Gadget/g"]},
    ),
    Case(
        "k8s_kind by kind",
        [obj("Gadget", "g", "x.dev/v1")],
        {"g": ["Gadget/g"]},
        "k8s_kind('Gadget')",
    ),
    Case(
        "k8s_kind by another version",
        [obj("Gadget", "g", "x.dev/v1")],
        {"uncategorized": ["Gadget/g"]},
        "k8s_kind('Gadget', api_version='x.dev/v2')",
    ),
    Case(
        "same name, other kind",
        [deploy("db", kind="StatefulSet"), job("db")],
        {"db:statefulset": ["StatefulSet/db"], "db:job": ["Job/db"]},
    ),
    Case(
        "same name, other namespace",
        [deploy("web", "ns1"), deploy("web", "ns2")],
        {"web:deployment:ns1": ["Deployment/web"], "web:deployment:ns2": ["Deployment/web"]},
    ),
    Case(
        "no namespace is default",
        [deploy("web"), deploy("web", "ns2")],
        {"web:deployment:default": ["Deployment/web"], "web:deployment:ns2": ["Deployment/web"]},
    ),
    Case(
        "same name, other group",
        [obj("Deployment", "web", "apps/v1", spec={"template": pods()}),
         obj("Deployment", "web", "x.dev/v1", spec={"template": pods()})],
        {"web:deployment:default:apps": ["Deployment/web"],
         "web:deployment:default:x.dev": ["Deployment/web"]},
    ),
    Case(
        "core group is spelt out",
        [obj("Pod", "p", spec=pods()["spec"]),
         obj("Pod", "p", "x.dev/v1", spec={"template": pods()})],
        {"p:pod:default:core": ["Pod/p"], "p:pod:default:x.dev": ["Pod/p"]},
    ),
    Case(
        "three of a name: one is told by its kind",
        [deploy("a", "n1"), deploy("a", "n2"), job("a")],
        {"a:deployment:n1": ["Deployment/a"], "a:deployment:n2": ["Deployment/a"],
         "a:job": ["Job/a"]},
    ),
    Case(
        "a config map takes no name from a workload",
        [config("web"), deploy("web")],
        {"web": ["Deployment/web"], "uncategorized": ["ConfigMap/web"]},
    ),
    Case(
        "service joins",
        [deploy("web"), service("web", app="web")],
        {"web": ["Deployment/web", "Service/web"]},
    ),
    Case(
        "service before its workload: source order is kept",
        [service("web", app="web"), deploy("web")],
        {"web": ["Service/web", "Deployment/web"]},
    ),
    Case(
        "service selects by a part of the labels",
        [deploy("web", labels={"app": "web", "tier": "front"}), service("s", tier="front")],
        {"web": ["Deployment/web", "Service/s"]},
    ),
    Case(
        "service wants more labels than there are",
        [deploy("web"), service("s", app="web", tier="front")],
        {"web": ["Deployment/web"], "uncategorized": ["Service/s"]},
    ),
    Case(
        "service without a selector",
        [deploy("web"), service("s")],
        {"web": ["Deployment/web"], "uncategorized": ["Service/s"]},
    ),
    Case(
        "first workload wins",
        [deploy("b", labels={"app": "x"}), deploy("a", labels={"app": "x"}), service("s", app="x")],
        {"b": ["Deployment/b", "Service/s"], "a": ["Deployment/a"]},
    ),
    Case(
        "service in the same namespace",
        [deploy("a", "n1", {"app": "x"}), deploy("b", "n2", {"app": "x"}),
         service("s", "n2", app="x")],
        {"a": ["Deployment/a"], "b": ["Deployment/b", "Service/s"]},
    ),
    Case(
        "service without a namespace joins across",
        [deploy("a", "n1"), service("s", app="a")],
        {"a": ["Deployment/a", "Service/s"]},
    ),
    Case(
        "service in default, workload without namespace",
        [deploy("a"), service("s", "default", app="a")],
        {"a": ["Deployment/a", "Service/s"]},
    ),
    Case(
        "service in another namespace",
        [deploy("a", "n1"), service("s", "n2", app="a")],
        {"a": ["Deployment/a"], "uncategorized": ["Service/s"]},
    ),
    Case(
        "service joins a bare pod",
        [obj("Pod", "p", spec=pods()["spec"]) | {"metadata": {"name": "p", "labels": {"a": "b"}}},
         service("s", a="b")],
        {"p": ["Pod/p", "Service/s"]},
    ),
    Case(
        "service joins a cron job's pods",
        [cron("c") | {"spec": {"jobTemplate": {"spec": {"template": pods({"a": "b"})}}}},
         service("s", a="b")],
        {"c": ["CronJob/c", "Service/s"]},
    ),
    Case(
        "a Service of another group does not join",
        [deploy("a"),
         obj("Service", "k", "serving.knative.dev/v1", spec={"selector": {"app": "a"}})],
        {"a": ["Deployment/a"], "uncategorized": ["Service/k"]},
    ),
    Case(
        "new_name keeps the place",
        [deploy("a"), deploy("b")],
        {"x": ["Deployment/a"], "b": ["Deployment/b"]},
        "k8s_resource('a', new_name='x')",
    ),
    Case(
        "new_name may be the old name",
        [deploy("a")],
        {"a": ["Deployment/a"]},
        "k8s_resource('a', new_name='a')",
    ),
    Case(
        "a freed name may be taken",
        [deploy("a"), deploy("b")],
        {"x": ["Deployment/a"], "a": ["Deployment/b"]},
        "k8s_resource('a', new_name='x')\nk8s_resource('b', new_name='a')\nport_forward('a', 1)",
    ),
    Case(
        "objects join a workload",
        [config("c"), deploy("a")],
        {"a": ["ConfigMap/c", "Deployment/a"]},
        "k8s_resource('a', objects=['c'])",
    ),
    Case(
        "fragment with kind, in any case",
        [config("c"), obj("Secret", "c"), deploy("a")],
        {"a": ["ConfigMap/c", "Deployment/a"], "uncategorized": ["Secret/c"]},
        "k8s_resource('a', objects=['C:configmap'])",
    ),
    Case(
        "fragment with namespace",
        [config("c", "n1"), config("c", "n2"), deploy("a")],
        {"a": ["ConfigMap/c", "Deployment/a"], "uncategorized": ["ConfigMap/c"]},
        "k8s_resource('a', objects=['c:configmap:n2'])",
    ),
    Case(
        "group of objects",
        [config("c"), config("d")],
        {"settings": ["ConfigMap/c"], "uncategorized": ["ConfigMap/d"]},
        "k8s_resource(new_name='settings', objects=['c'])",
    ),
    Case(
        "group is configured again by its name",
        [config("c"), config("d")],
        {"settings": ["ConfigMap/c", "ConfigMap/d"]},
        "k8s_resource(new_name='settings', objects=['c'])\nk8s_resource('settings', objects='d')",
    ),
    Case(
        "two claims leave the second of two alike",
        [config("c", "n1"), config("c", "n2"), deploy("a")],
        {"a": ["Deployment/a"], "one": ["ConfigMap/c"], "two": ["ConfigMap/c"]},
        "k8s_resource(new_name='one', objects=['c:configmap:n1'])\n"
        "k8s_resource(new_name='two', objects=['c'])",
    ),
    Case(
        "objects of a List",
        [obj("List", "", items=[deploy("a"), config("c")])],
        {"a": ["Deployment/a"], "uncategorized": ["ConfigMap/c"]},
    ),
    Case(
        "k8s_resource before k8s_yaml",
        [],
        {"b": ["Deployment/a"]},
        "k8s_resource('a', new_name='b')\nk8s_yaml(encode_yaml(" + json.dumps(deploy("a")) + "))",
    ),
    Case(
        "duplicates that are allowed are numbered",
        [deploy("a")],
        {"a:deployment:default:apps:0": ["Deployment/a"],
         "a:deployment:default:apps:1": ["Deployment/a"]},
        "k8s_yaml('objects.yaml', allow_duplicates=True)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_groups(project, case):
    project.write("objects.yaml", "\n---\n".join(json.dumps(item) for item in case.objects))
    head = "k8s_yaml('objects.yaml')\n" if case.objects else ""
    result = project.run(head + case.calls)
    assert {
        resource.name: [f"{item['kind']}/{item['metadata']['name']}" for item in resource.objects]
        for resource in result.resources
    } == case.expected
    assert [resource.name for resource in result.resources] == list(case.expected)


class Wrong(NamedTuple):
    id: str
    objects: list[Obj]
    calls: str
    report: str


WRONG = [
    Wrong(
        "unknown workload",
        [deploy("web"), deploy("db")],
        "k8s_resource('wbe')",
        "Kappfile:2: k8s_resource: there is no resource `wbe`; known resources: `web`, `db`\n"
        "    k8s_resource('wbe')\n"
        "hint: workloads become resources by k8s_yaml",
    ),
    Wrong(
        "nearly known workload",
        [deploy("backend")],
        "k8s_resource('backnd')",
        "Kappfile:2: k8s_resource: there is no resource `backnd`; known resources: `backend`\n"
        "    k8s_resource('backnd')\n"
        "hint: did you mean `backend`?",
    ),
    Wrong(
        "old name after new_name",
        [deploy("web")],
        "k8s_resource('web', new_name='site')\nport_forward('web', 80)",
        "Kappfile:3: port_forward: `web` was renamed to `site`\n"
        "    port_forward('web', 80)\n"
        "hint: after new_name, only the new name works",
    ),
    Wrong(
        "new_name is taken",
        [deploy("web"), deploy("db")],
        "k8s_resource('web', new_name='db')",
        "Kappfile:2: k8s_resource: there is already a resource `db`\n"
        "    k8s_resource('web', new_name='db')",
    ),
    Wrong(
        "group without a name",
        [config("c")],
        "k8s_resource(objects=['c'])",
        "Kappfile:2: k8s_resource: objects without a workload need a new_name\n"
        "    k8s_resource(objects=['c'])",
    ),
    Wrong(
        "neither workload nor objects",
        [deploy("web")],
        "k8s_resource(new_name='x')",
        "Kappfile:2: k8s_resource: needs a workload, or objects with a new_name\n"
        "    k8s_resource(new_name='x')\n"
        "hint: known resources: `web`",
    ),
    Wrong(
        "unknown object",
        [deploy("web"), config("settings"), config("other", "n1")],
        "k8s_resource('web', objects=['setings'])",
        "Kappfile:2: k8s_resource: objects: nothing is named `setings`; objects not in a resource "
        "yet: `settings:configmap`, `other:configmap`\n"
        "    k8s_resource('web', objects=['setings'])\n"
        "hint: did you mean `settings`?",
    ),
    Wrong(
        "ambiguous object",
        [deploy("web"), config("c", "n1"), config("c", "n2"), obj("Secret", "c")],
        "k8s_resource('web', objects=['c'])",
        "Kappfile:2: k8s_resource: objects: `c` names several objects: `c:configmap:n1`, "
        "`c:configmap:n2`, `c:secret`\n"
        "    k8s_resource('web', objects=['c'])\n"
        "hint: write one of these",
    ),
    Wrong(
        "object of another resource",
        [deploy("web"), service("web", app="web"), deploy("db")],
        "k8s_resource('db', objects=['web:service'])",
        "Kappfile:2: k8s_resource: objects: `web:service` belongs to the resource `web` already\n"
        "    k8s_resource('db', objects=['web:service'])",
    ),
    Wrong(
        "the same object twice",
        [deploy("web")],
        "k8s_yaml('objects.yaml')",
        "Kappfile:2: k8s_yaml: Deployment `web` at objects.yaml:1 is declared already: "
        "objects.yaml:1\n"
        "    k8s_yaml('objects.yaml')\n"
        "hint: remove one, or pass allow_duplicates=True",
    ),
    Wrong(
        "the same object twice, once with the default namespace",
        [config("c"), config("c", "default"), config("c", "other")],
        "",
        "Kappfile:1: k8s_yaml: ConfigMap `c` in namespace default at objects.yaml:3 is declared "
        "already: objects.yaml:1\n"
        "    k8s_yaml('objects.yaml')\n"
        "hint: remove one, or pass allow_duplicates=True",
    ),
    Wrong(
        "port_forward to no resource",
        [deploy("example-go")],
        "port_forward('example-og', 8000)",
        "Kappfile:2: port_forward: there is no resource `example-og`; known resources: "
        "`example-go`\n"
        "    port_forward('example-og', 8000)\n"
        "hint: did you mean `example-go`?",
    ),
    Wrong(
        "dependency cycle",
        [deploy("a"), deploy("b"), deploy("c")],
        "k8s_resource('a', resource_deps=['b'])\nk8s_resource('b', resource_deps=['c'])\n"
        "k8s_resource('c', resource_deps=['b'])",
        "Kappfile:3: k8s_resource: resources depend on each other in a circle: `b` → `c` → `b`\n"
        "    k8s_resource('b', resource_deps=['c'])",
    ),
    Wrong(
        "depends on itself",
        [deploy("a")],
        "k8s_resource('a', resource_deps=['a'])",
        "Kappfile:2: k8s_resource: resources depend on each other in a circle: `a` → `a`\n"
        "    k8s_resource('a', resource_deps=['a'])",
    ),
    Wrong(
        "uncategorized is a reserved name",
        [config("c")],
        "k8s_resource(new_name='uncategorized', objects=['c'])",
        "Kappfile:2: k8s_resource: there is already a resource `uncategorized`\n"
        "    k8s_resource(new_name='uncategorized', objects=['c'])",
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=[case.id for case in WRONG])
def test_refuses(project, case):
    project.write("objects.yaml", "\n---\n".join(json.dumps(item) for item in case.objects))
    assert project.report("k8s_yaml('objects.yaml')\n" + case.calls) == case.report


READINESS = [
    ("deployment waits", [deploy("a")], "", "wait"),
    ("job succeeds", [job("a")], "", "succeeded"),
    ("cron job is ignored", [cron("a")], "", "ignore"),
    ("k8s_resource overrides the kind", [job("a")],
     "k8s_resource('a', pod_readiness='wait')", "wait"),
    ("the last k8s_resource wins", [deploy("a")],
     """k8s_resource('a', pod_readiness='ignore')
k8s_resource('a', pod_readiness='succeeded')
k8s_resource('a', labels=['x'])""", "succeeded"),
    ("k8s_kind overrides the built-in rule", [job("a")],
     "k8s_kind('Job', pod_readiness='ignore')", "ignore"),
    ("k8s_kind sets it", [obj("Gadget", "a", "x.dev/v1")],
     "k8s_kind('Gadget', pod_readiness='succeeded')", "succeeded"),
    ("manual group is ignored", [config("a")], "k8s_resource(new_name='x', objects='a')", "ignore"),
    ("manual group with selectors waits", [config("a")],
     "k8s_resource(new_name='x', objects='a', extra_pod_selectors={'a': 'b'})", "wait"),
    ("rest is ignored", [config("a")], "", "ignore"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("objects", "calls", "expected"),
    [case[1:] for case in READINESS],
    ids=[case[0] for case in READINESS],
)
def test_readiness(project, objects, calls, expected):
    project.write("objects.yaml", "\n---\n".join(json.dumps(item) for item in objects))
    (resource,) = project.run("k8s_yaml('objects.yaml')\n" + calls).resources
    assert resource.pod_readiness == expected


def test_repeated_calls_merge(go):
    (resource,) = go.run(
        "k8s_yaml('kubernetes.yaml')\n"
        "trigger_mode(TRIGGER_MODE_MANUAL)\n"
        "k8s_resource('example-go', port_forwards=8000, links='example.dev', labels='a',\n"
        "    extra_pod_selectors={'x': 'y'}, auto_init=False)\n"
        "k8s_resource('example-go', port_forwards='9000:90', labels=['b', 'a'],\n"
        "    links=[link('https://x.dev/', 'x')], extra_pod_selectors=[{'z': 'w'}],\n"
        "    trigger_mode=TRIGGER_MODE_AUTO, discovery_strategy='selectors-only')\n"
        "port_forward('example-go', 7000)\n"
    ).resources
    assert resource.port_forwards == (
        PortForward(8000),
        PortForward(9000, 90),
        PortForward(7000),
    )
    assert [(link.url, link.name) for link in resource.links] == [
        ("http://example.dev", ""),
        ("https://x.dev/", "x"),
    ]
    assert resource.labels == ("a", "b")
    assert resource.extra_pod_selectors == ({"x": "y"}, {"z": "w"})
    assert resource.trigger_mode == "auto"
    assert resource.auto_init is False
    assert resource.discovery_strategy == "selectors-only"


def test_containers_whose_logs_are_followed(go):
    declare = "k8s_yaml('kubernetes.yaml')\nk8s_resource('example-go'"
    (resource,) = go.run(f"{declare})").resources
    assert (resource.only_containers, resource.ignore_containers) == (None, None)
    (resource,) = go.run(f"{declare}, only_containers='a')").resources
    assert resource.only_containers == ("a",)
    twice = (
        f"{declare}, ignore_containers='a')\n{declare.splitlines()[1]}, ignore_containers=['b'])"
    )
    (resource,) = go.run(twice).resources
    assert resource.ignore_containers == ("a", "b")
    (resource,) = go.run(f"{declare}, ignore_containers=[])").resources
    assert resource.ignore_containers == ()
    with pytest.raises(KappfileError, match="exclude each other"):
        go.run(f"{declare}, only_containers='a', ignore_containers='b')")


def test_unknown_dependency_warns(go):
    result = go.run(
        "k8s_yaml('kubernetes.yaml')\nk8s_resource('example-go', resource_deps=['example-og'])"
    )
    (warning,) = result.warnings
    assert str(warning) == (
        "Kappfile:2: `example-go` depends on `example-og`, which is no resource "
        "(did you mean `example-go`?)"
    )


def test_port_of_two_resources_warns(project):
    project.write("objects.yaml", json.dumps(deploy("a")) + "\n---\n" + json.dumps(deploy("b")))
    result = project.run(
        "k8s_yaml('objects.yaml')\nport_forward('a', 8000)\nport_forward('b', 8000)"
    )
    assert [str(warning) for warning in result.warnings] == [
        "port 8000 on localhost is forwarded to both `a` and `b`"
    ]


def test_canonical_yaml(go):
    (resource,) = go.run("k8s_yaml('kubernetes.yaml')").resources
    assert resource.yaml.splitlines()[:6] == [
        "apiVersion: apps/v1",
        "kind: Deployment",
        "metadata:",
        "  labels:",
        "    app: example-go",
        "  name: example-go",
    ]


def test_print_equals_dump_all(project):
    from kapp.kappfile.manifests import yamlio

    objects = [deploy("a"), service("a", app="a")]
    project.write("objects.yaml", "\n---\n".join(json.dumps(item) for item in objects))
    (resource,) = project.run("k8s_yaml('objects.yaml')").resources
    assert resource.yaml == yamlio.dump_all(objects)
