"""A table of Tiltfiles with their manifests: resources, members, forwards and modes, or the error.

A resource is written `NAME: KIND/NAME[@NAMESPACE] … | PORTS | MODES`; of the modes only those that
are not the default (ready pods, auto, deployed at start).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from kapp.kappfile.evaluate import evaluate


def pods(kind: str, name: str, *, ns: str = "", api: str = "apps/v1", app: str = "") -> str:
    """A workload as people write it."""
    return f"""\
apiVersion: {api}
kind: {kind}
metadata:
  name: {name}
{f"  namespace: {ns}" if ns else ""}
spec:
  selector:
    matchLabels:
      app: {app or name}
  template:
    metadata:
      labels:
        app: {app or name}
    spec:
      containers:
      - name: main
        image: {name}:dev
"""


def other(kind: str, name: str, *, ns: str = "", api: str = "v1", rest: str = "") -> str:
    """An object without pods."""
    meta = f"{{name: {name}, namespace: {ns}}}" if ns else f"{{name: {name}}}"
    return f"apiVersion: {api}\nkind: {kind}\nmetadata: {meta}\n{rest}\n"


def service(name: str, app: str, *, ns: str = "") -> str:
    return other("Service", name, ns=ns, rest=f"spec:\n  selector:\n    app: {app}\n")


def docs(*texts: str) -> str:
    return "---\n".join(texts)


WEB = pods("Deployment", "web")
DB = pods("StatefulSet", "db")
MIGRATE = pods("Job", "migrate", api="batch/v1")
SETTINGS = other("ConfigMap", "settings", rest="data: {a: b}")
GADGET = other("Gadget", "g", api="x.dev/v1", rest="spec: {size: 1}")
CRD = other(
    "CustomResourceDefinition",
    "gadgets.x.dev",
    api="apiextensions.k8s.io/v1",
    rest="spec:\n  group: x.dev\n  names: {kind: Gadget, plural: gadgets}\n",
)
CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: [
    {name: main, image: nightly}]}}}}
"""
ANCHORS = """\
apiVersion: v1
kind: ConfigMap
metadata: &meta
  name: one
  labels: &labels {team: blue}
data: {greeting: &hello "hello"}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: two
  labels: &labels {team: red}
  annotations: *labels
"""


class Case(NamedTuple):
    id: str
    tiltfile: str
    expected: str
    yaml: str = ""


K = "k8s_yaml('all.yaml')\n"

CASES = [
    Case("one deployment", K, "web: Deployment/web", WEB),
    Case("a deployment and its service", K, "web: Deployment/web Service/web",
         docs(WEB, service("web", "web"))),
    Case("the service first", K, "web: Service/entry Deployment/web",
         docs(service("entry", "web"), WEB)),
    Case("two services of one workload", K, "web: Deployment/web Service/a Service/b",
         docs(WEB, service("a", "web"), service("b", "web"))),
    Case("a service of nothing", K, "web: Deployment/web\nuncategorized: Service/x || ignore",
         docs(WEB, service("x", "other"))),
    Case("a service that selects pods of two", K,
         "web: Deployment/web Service/s\nadmin: Deployment/admin",
         docs(WEB, pods("Deployment", "admin", app="web"), service("s", "web"))),
    Case("a headless service of a stateful set", K, "db: StatefulSet/db Service/db",
         docs(DB, service("db", "db"))),
    Case("a service without namespace and a workload with one", K,
         "web: Deployment/web@prod Service/web", docs(pods("Deployment", "web", ns="prod"),
                                                      service("web", "web"))),
    Case("a service of another namespace", K,
         "web: Deployment/web@prod\nuncategorized: Service/web@dev || ignore",
         docs(pods("Deployment", "web", ns="prod"), service("web", "web", ns="dev"))),
    Case("services of two namespaces find their own", K,
         "web:deployment:dev: Deployment/web@dev Service/s@dev\n"
         "web:deployment:prod: Deployment/web@prod Service/s@prod",
         docs(pods("Deployment", "web", ns="dev"), pods("Deployment", "web", ns="prod"),
              service("s", "web", ns="prod"), service("s", "web", ns="dev"))),
    Case("a name of two kinds", K, "db:statefulset: StatefulSet/db\ndb:job: Job/db || succeeded",
         docs(DB, pods("Job", "db", api="batch/v1"))),
    Case("a name of two namespaces", K,
         "web:deployment:default: Deployment/web\nweb:deployment:b: Deployment/web@b",
         docs(WEB, pods("Deployment", "web", ns="b"))),
    Case("a name of two groups", K,
         "web:deployment:default:apps: Deployment/web\n"
         "web:deployment:default:x.dev: Deployment/web",
         docs(WEB, pods("Deployment", "web", api="x.dev/v1"))),
    Case("kinds and namespaces at once", K,
         "a:deployment:n1: Deployment/a@n1\na:deployment:n2: Deployment/a@n2\n"
         "a:daemonset: DaemonSet/a@n1",
         docs(pods("Deployment", "a", ns="n1"), pods("Deployment", "a", ns="n2"),
              pods("DaemonSet", "a", ns="n1"))),
    Case("a long name is used where the short one is not unique",
         K + "k8s_resource('web:deployment:b', port_forwards=8000, new_name='b')",
         "web:deployment:default: Deployment/web\nb: Deployment/web@b | 8000",
         docs(WEB, pods("Deployment", "web", ns="b"))),
    Case("the short name of two", K + "k8s_resource('web')",
         "ERROR Tiltfile:2: k8s_resource: there is no resource `web`; known resources: "
         "`web:deployment:default`, `web:deployment:b`",
         docs(WEB, pods("Deployment", "web", ns="b"))),
    Case("an object without pods and a workload share a name", K,
         "web: Deployment/web\nuncategorized: ConfigMap/web || ignore",
         docs(other("ConfigMap", "web"), WEB)),
    Case("nothing runs pods", K, "uncategorized: ConfigMap/settings Namespace/prod || ignore",
         docs(SETTINGS, other("Namespace", "prod"))),
    Case("a job succeeds, a cron job is not waited for", K,
         "migrate: Job/migrate || succeeded\nnightly: CronJob/nightly || ignore",
         docs(MIGRATE, CRON)),
    Case("forwards in every form",
         K + "k8s_resource('web', port_forwards=[8000, '8001:80', '0.0.0.0:8002:80',\n"
         "    port_forward(8003, 80, name='admin', link_path='/x', host='127.0.0.1')])",
         "web: Deployment/web | 8000 8001:80 0.0.0.0:8002:80 127.0.0.1:8003:80", WEB),
    Case("one forward, no list", K + "k8s_resource('web', port_forwards='9000')",
         "web: Deployment/web | 9000", WEB),
    Case("repeated calls add forwards",
         K + "k8s_resource('web', port_forwards=8001)\nk8s_resource('web', port_forwards=8000)",
         "web: Deployment/web | 8001 8000", WEB),
    Case("the same forward twice is one",
         K + "k8s_resource('web', port_forwards=8001)\nport_forward('web', 8001)",
         "web: Deployment/web | 8001", WEB),
    Case("a forward stated before the workload is declared", "port_forward('web', 8000, 80)\n" + K,
         "web: Deployment/web | 8000:80", WEB),
    Case("an odd forward", K + "k8s_resource('web', port_forwards='80:web')",
         "ERROR Tiltfile:2: k8s_resource: `port_forwards`: '80:web' is no port forward", WEB),
    Case("modes", K + "k8s_resource('web', trigger_mode=TRIGGER_MODE_MANUAL, auto_init=False)",
         "web: Deployment/web || manual no-init", WEB),
    Case("a trigger mode for all", "trigger_mode(TRIGGER_MODE_MANUAL)\n" + K,
         "web: Deployment/web || manual\ndb: StatefulSet/db || manual", docs(WEB, DB)),
    Case("a trigger mode for all but one", "trigger_mode(TRIGGER_MODE_MANUAL)\n" + K
         + "k8s_resource('db', trigger_mode=TRIGGER_MODE_AUTO)",
         "web: Deployment/web || manual\ndb: StatefulSet/db", docs(WEB, DB)),
    Case("the last mode counts", K + "k8s_resource('web', pod_readiness='ignore')\n"
         "k8s_resource('web', pod_readiness='wait')", "web: Deployment/web", WEB),
    Case("dependencies", K + "k8s_resource('web', resource_deps=['db', 'migrate'])\n"
         "k8s_resource('web', resource_deps='db')",
         "web: Deployment/web || needs db,migrate\ndb: StatefulSet/db\n"
         "migrate: Job/migrate || succeeded", docs(WEB, DB, MIGRATE)),
    Case("a circle of dependencies", K + "k8s_resource('web', resource_deps=['db'])\n"
         "k8s_resource('db', resource_deps=['web'])",
         "ERROR Tiltfile:2: k8s_resource: resources depend on each other in a circle: "
         "`web` → `db` → `web`", docs(WEB, DB)),
    Case("new_name", K + "k8s_resource('web', new_name='frontend')\n"
         "k8s_resource('frontend', port_forwards=80)", "frontend: Deployment/web | 80", WEB),
    Case("the old name is gone", K + "k8s_resource('web', new_name='frontend')\n"
         "k8s_resource('web', port_forwards=80)",
         "ERROR Tiltfile:3: k8s_resource: `web` was renamed to `frontend`", WEB),
    Case("new_name of another", K + "k8s_resource('web', new_name='db')",
         "ERROR Tiltfile:2: k8s_resource: there is already a resource `db`", docs(WEB, DB)),
    Case("objects join a workload", K + "k8s_resource('web', objects=['settings', 'x:secret'])",
         "web: Deployment/web ConfigMap/settings Secret/x",
         docs(WEB, SETTINGS, other("Secret", "x"))),
    Case("objects alone", K + "k8s_resource(new_name='config', objects=['settings'])",
         "web: Deployment/web\nconfig: ConfigMap/settings || ignore", docs(WEB, SETTINGS)),
    Case("objects in any case of letters",
         K + "k8s_resource('web', objects=['Settings:CONFIGMAP'])",
         "web: Deployment/web ConfigMap/settings", docs(WEB, SETTINGS)),
    Case("objects by namespace",
         K + "k8s_resource('web', objects=['c:configmap:b'])",
         "web: Deployment/web ConfigMap/c@b\nuncategorized: ConfigMap/c || ignore",
         docs(WEB, other("ConfigMap", "c"), other("ConfigMap", "c", ns="b"))),
    Case("a fragment of two", K + "k8s_resource('web', objects=['c'])",
         "ERROR Tiltfile:2: k8s_resource: objects: `c` names several objects: `c:configmap`, "
         "`c:secret`", docs(WEB, other("ConfigMap", "c"), other("Secret", "c"))),
    Case("a fragment of none", K + "k8s_resource('web', objects=['setings'])",
         "ERROR Tiltfile:2: k8s_resource: objects: nothing is named `setings`; objects not in a "
         "resource yet: `settings:configmap`", docs(WEB, SETTINGS)),
    Case("an object of two resources", K + "k8s_resource('web', objects=['settings'])\n"
         "k8s_resource('db', objects=['settings'])",
         "ERROR Tiltfile:3: k8s_resource: objects: `settings` belongs to the resource `web` "
         "already", docs(WEB, DB, SETTINGS)),
    Case("a group in two calls", K + "k8s_resource(new_name='c', objects='settings')\n"
         "k8s_resource('c', objects='x', pod_readiness='wait')",
         "c: ConfigMap/settings Secret/x", docs(SETTINGS, other("Secret", "x"))),
    Case("a group with pods of its own", K
         + "k8s_resource(new_name='op', objects=['g'], extra_pod_selectors={'app': 'op'})",
         "op: Gadget/g", GADGET),
    Case("a group called uncategorized",
         K + "k8s_resource(new_name='uncategorized', objects='settings')",
         "ERROR Tiltfile:2: k8s_resource: there is already a resource `uncategorized`", SETTINGS),
    Case("a custom kind", K, "uncategorized: CustomResourceDefinition/gadgets.x.dev Gadget/g "
         "|| ignore", docs(CRD, GADGET)),
    Case("a custom kind that runs pods", K + "k8s_kind('Gadget')",
         "g: Gadget/g\nuncategorized: CustomResourceDefinition/gadgets.x.dev || ignore",
         docs(CRD, GADGET)),
    Case("k8s_kind with images and a mode", "k8s_kind('Gadget', api_version='x.dev/v1',\n"
         "    image_json_path='{.spec.image}', pod_readiness='ignore')\n" + K,
         "g: Gadget/g || ignore", GADGET),
    Case("k8s_kind of another version", K + "k8s_kind('Gadget', api_version='x.dev/v2')",
         "uncategorized: Gadget/g || ignore", GADGET),
    Case("a custom kind with a container", K, "app: Rollout/app",
         pods("Rollout", "app", api="argoproj.io/v1alpha1")),
    Case("names by a function", "def name(id):\n    return '%s-%s' % (id.namespace, id.name)\n"
         "workload_to_resource_function(name)\n" + K + "k8s_resource('b-web', port_forwards=80)",
         "default-web: Deployment/web\nb-web: Deployment/web@b | 80",
         docs(WEB, pods("Deployment", "web", ns="b"))),
    Case("one name for two by a function",
         "workload_to_resource_function(lambda id: 'same')\n" + K,
         "ERROR Tiltfile:1: workload_to_resource_function: the function gave "
         "`web:deployment:default:apps` and `db:statefulset:default:apps` the same name, `same`",
         docs(WEB, DB)),
    Case("filter_yaml by kind", "services, rest = filter_yaml('all.yaml', kind='^service$')\n"
         "k8s_yaml(rest)", "web: Deployment/web", docs(WEB, service("web", "web"))),
    Case("filter_yaml by name and namespace",
         "found, rest = filter_yaml('all.yaml', name='we', namespace='b')\nk8s_yaml(found)",
         "web: Deployment/web@b", docs(WEB, pods("Deployment", "web", ns="b"), DB)),
    Case("filter_yaml by labels",
         "a, b = filter_yaml('all.yaml', labels={'team': 'red'})\nk8s_yaml(a)",
         "uncategorized: ConfigMap/two || ignore", ANCHORS.replace("*labels", "{}")),
    Case("filter_yaml by apiVersion", "a, b = filter_yaml('all.yaml', api_version='apps/')\n"
         "k8s_yaml(b)", "migrate: Job/migrate || succeeded", docs(WEB, MIGRATE)),
    Case("filter_yaml finds nothing", "a, b = filter_yaml('all.yaml', kind='nope')\nk8s_yaml(a)",
         "ERROR Tiltfile:2: k8s_yaml: blob holds no Kubernetes object", WEB),
    Case("the same file twice", K + K,
         "ERROR Tiltfile:2: k8s_yaml: Deployment `web` at all.yaml:1 is declared already: "
         "all.yaml:1", WEB),
    Case("the same object twice in one file", K,
         "ERROR Tiltfile:1: k8s_yaml: ConfigMap `settings` at all.yaml:6 is declared already: "
         "all.yaml:1", docs(SETTINGS, SETTINGS)),
    Case("duplicates that are wanted", K + "k8s_yaml('all.yaml', allow_duplicates=True)",
         "uncategorized: ConfigMap/settings ConfigMap/settings || ignore", SETTINGS),
    Case("the same name in two namespaces is no duplicate", K,
         "uncategorized: ConfigMap/c ConfigMap/c@b || ignore",
         docs(other("ConfigMap", "c"), other("ConfigMap", "c", ns="b"))),
    Case("empty documents", K, "web: Deployment/web", "---\n---\n# nothing\n---\n" + WEB + "---\n"),
    Case("an empty file", K, "ERROR Tiltfile:1: k8s_yaml: all.yaml holds no Kubernetes object", ""),
    Case("comments only", K, "ERROR Tiltfile:1: k8s_yaml: all.yaml holds no Kubernetes object",
         "# nothing yet\n---\n"),
    Case("a List", K, "web: Deployment/web Service/web",
         '{"apiVersion": "v1", "kind": "List", "items": [\n'
         '{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec":\n'
         ' {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}}},\n'
         '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},\n'
         ' "spec": {"selector": {"app": "web"}}}]}'),
    Case("a List of one kind", K, "uncategorized: ConfigMap/a ConfigMap/b || ignore",
         "apiVersion: v1\nkind: ConfigMapList\nitems:\n"
         "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
         "- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"),
    Case("anchors", K, "uncategorized: ConfigMap/one ConfigMap/two || ignore", ANCHORS),
    Case("an anchor of another document", K,
         "ERROR Tiltfile:1: k8s_yaml: all.yaml:4: unknown anchor 'x' referenced",
         "a: &x 1\n---\napiVersion: v1\nb: *x\n"),
    Case("--- in strings", K, "uncategorized: ConfigMap/a ConfigMap/b || ignore",
         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  text: |\n    one\n"
         "    ---\n    two\n  other: 'a --- b'\n---\n" + other("ConfigMap", "b")),
    Case("CRLF", K, "web: Deployment/web Service/web",
         docs(WEB, service("web", "web")).replace("\n", "\r\n")),
    Case("a byte order mark", K, "web: Deployment/web", "\ufeff" + WEB),
    Case("tabs", K, "ERROR Tiltfile:1: k8s_yaml: all.yaml:4: a tab stands where indentation is "
         "expected", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\n"),
    Case("tabs in the Tiltfile", "if True:\n\tk8s_yaml('all.yaml')\n", "web: Deployment/web", WEB),
    Case("a template that nobody rendered", K,
         "ERROR Tiltfile:1: k8s_yaml: all.yaml:3: ",
         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-a}\n"),
    Case("a file of five megabytes", K,
         "web: Deployment/web\nuncategorized: ConfigMap/big || ignore",
         docs(WEB, other("ConfigMap", "big", rest="data:\n  text: |\n"
                         + "    0123456789 abcdefghijklmnopqrstuvwxyz\n" * 120_000))),
    Case("an object without a name", K,
         "ERROR Tiltfile:1: k8s_yaml: all.yaml:1: this ConfigMap has no metadata.name",
         "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"),
    Case("an object without a kind", K,
         "ERROR Tiltfile:1: k8s_yaml: all.yaml:2: this object has no kind",
         "---\napiVersion: v1\nmetadata: {name: a}\n"),
    Case("no object", K,
         "ERROR Tiltfile:1: k8s_yaml: all.yaml:1: this document is no Kubernetes object but a "
         "list",
         "- a\n- b\n"),
    Case("a blob", "k8s_yaml(blob('apiVersion: v1\\nkind: Pod\\nmetadata: {name: p}'))",
         "p: Pod/p"),
    Case("YAML in place of a path", "k8s_yaml('apiVersion: v1\\nkind: Pod')",
         "ERROR Tiltfile:1: k8s_yaml: `yaml` is a path, but this one has several lines"),
    Case("objects made by the Tiltfile", "for name in ['a', 'b']:\n"
         "    meta = {'name': name}\n"
         "    k8s_yaml(encode_yaml({'apiVersion': 'v1', 'kind': 'Pod', 'metadata': meta}))",
         "a: Pod/a\nb: Pod/b"),
    Case("a manifest that is edited on the way",
         "objects = read_yaml_stream('all.yaml')\n"
         "for one in objects:\n    one['metadata']['namespace'] = 'dev'\n"
         "k8s_yaml(encode_yaml_stream(objects))", "web: Deployment/web@dev Service/web@dev",
         docs(WEB, service("web", "web"))),
    Case("images are built elsewhere", "docker_build('web', '.')\n" + K,
         "ERROR Tiltfile:1: `docker_build` is not part of kapp", WEB),
    Case("compose", "docker_compose('docker-compose.yml')",
         "ERROR Tiltfile:1: `docker_compose` is not part of kapp"),
    Case("a misspelt builtin", "k8s_yml('all.yaml')",
         "ERROR Tiltfile:1: `k8s_yml` is not defined", WEB),
]  # fmt: skip


def shown(resource) -> str:
    members = []
    for item in resource.objects:
        meta = item["metadata"]
        space = f"@{meta['namespace']}" if "namespace" in meta else ""
        members.append(f"{item['kind']}/{meta['name']}{space}")
    ports = [
        (f"{one.host}:" if one.host != "localhost" else "")
        + str(one.local_port)
        + (f":{one.container_port}" if one.container_port else "")
        for one in resource.port_forwards
    ]
    modes = [
        *([resource.pod_readiness] if resource.pod_readiness != "wait" else []),
        *(["manual"] if resource.trigger_mode == "manual" else []),
        *([] if resource.auto_init else ["no-init"]),
        *([f"needs {','.join(resource.resource_deps)}"] if resource.resource_deps else []),
    ]
    line = f"{resource.name}: {' '.join(members)}"
    if ports or modes:
        line += f" | {' '.join(ports)} | {' '.join(modes)}"
    return line


def normal(line: str) -> str:
    """`a | 1` and `a || ignore` with all three columns."""
    columns = [column.strip() for column in line.split("|")] + ["", ""]
    head, ports, modes = columns[:3]
    return f"{head} | {ports} | {modes}" if ports or modes else head


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_tiltfile(project, case):
    (project.root / "all.yaml").write_bytes(case.yaml.encode())
    path = project.write("Tiltfile", case.tiltfile)
    if case.expected.startswith("ERROR "):
        error = project.fails_at(path)
        assert error.one_line().startswith(case.expected.removeprefix("ERROR "))
        return
    result = evaluate(path, context=project.context, env={}, cache=project.cache)
    lines = [shown(resource) for resource in result.resources]
    assert lines == [normal(line) for line in case.expected.splitlines()]
    assert result.warnings == ()
