"""helm(): what is rendered, when, and what is said when it cannot be."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading

import pytest

from .programs import REAL_HELM, STAND_IN, runs, tool

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  annotations:
    kube: "{{ .Capabilities.KubeVersion.Version }}"
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: {{ .Values.image.name }}:{{ .Values.image.tag }}
"""
FILES = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "web/values.yaml": "replicas: 1\nimage: {name: web, tag: a}\n",
    "web/templates/deployment.yaml": DEPLOYMENT,
    "web/templates/service.yaml": (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: own\n"
        "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: made\n"
    ),
    "web/templates/tests/test.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: the-test\n",
    "web/crds/gadget.yaml": (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata:\n  name: gadgets.x.dev\n"
    ),
    "web/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 0.1.0\n",
    "web/charts/db/values.yaml": "size: small\n",
    "web/charts/db/templates/settings.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: db\n"
        'data:\n  size: "{{ .Values.size }}"\n'
    ),
}


@pytest.fixture
def chart(project):
    """A project with the chart `web` and a helm that counts its runs."""
    for name, text in FILES.items():
        project.write(name, text)
    directory = project.root / ".bin"
    tool(directory, "helm", STAND_IN if not REAL_HELM else REAL_HELM)
    project.env = {"PATH": f"{directory}:/usr/bin:/bin", "HOME": str(project.root)}
    project.helm_runs = runs(directory, "helm")
    return project


def objects(result):
    return {
        f"{item['kind']}/{item['metadata']['name']}": item
        for resource in result.resources
        for item in resource.objects
    }


def test_all_of_a_chart_but_its_tests(chart):
    found = objects(chart.run("k8s_yaml(helm('web'))"))
    assert set(found) == {
        "ConfigMap/db",
        "CustomResourceDefinition/gadgets.x.dev",
        "Deployment/chart-web",
        "Namespace/made",
        "Service/web",
    }
    assert "namespace" not in found["Deployment/chart-web"]["metadata"]


def test_every_argument(chart):
    chart.write("one.yaml", "replicas: 2\nimage: {tag: b}\n")
    chart.write("two.yaml", "replicas: 3\n")
    found = objects(
        chart.run(
            "k8s_yaml(helm('web', name='my', namespace='ns', values=['one.yaml', 'two.yaml'],\n"
            "    set=['image.name=other', 'db.size=big'], kube_version='1.30.0', skip_crds=True))"
        )
    )
    assert set(found) == {"ConfigMap/db", "Deployment/my-web", "Namespace/made", "Service/web"}
    deployment = found["Deployment/my-web"]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "other:b"
    assert deployment["metadata"]["annotations"]["kube"] == "v1.30.0"
    assert found["ConfigMap/db"]["data"]["size"] == "big"
    namespaces = {name: item["metadata"].get("namespace", "") for name, item in found.items()}
    assert namespaces == {
        "ConfigMap/db": "ns",
        "Deployment/my-web": "ns",
        "Namespace/made": "",
        "Service/web": "own",
    }


def test_the_blob_is_text(chart):
    result = chart.run("text = str(helm('web'))\nprint('kind: Deployment' in text, type(text))")
    assert result.output == ("True string",)
    result = chart.run("found, rest = filter_yaml(helm('web'), kind='service')\nk8s_yaml(found)")
    assert list(objects(result)) == ["Service/web"]


def test_what_did_not_change_is_not_rendered_again(chart):
    text = "k8s_yaml(helm('web', values='values.yaml'))\n"
    chart.write("values.yaml", "replicas: 2\n")
    chart.run(text)
    chart.run(text + "print('edited')\n")
    assert chart.helm_runs() == 1
    for count, (name, contents) in enumerate(
        {
            "values.yaml": "replicas: 5\n",
            "web/values.yaml": "replicas: 1\nimage: {name: web, tag: z}\n",
            "web/charts/db/values.yaml": "size: large\n",
            "web/templates/new.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: new}\n",
        }.items(),
        start=2,
    ):
        chart.write(name, contents)
        chart.run(text)
        assert chart.helm_runs() == count, name
    chart.write("values.yaml", "replicas: 2\n")  # what was rendered lately is remembered
    chart.write("values.yaml", "replicas: 5\n")
    chart.run(text)
    assert chart.helm_runs() == 5


def test_the_same_chart_twice_is_rendered_once(chart):
    chart.run("k8s_yaml(helm('web'))\nk8s_yaml(helm('web'), allow_duplicates=True)\n")
    assert chart.helm_runs() == 1


def test_what_is_watched(chart):
    chart.write("lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.1.0\n")
    chart.write(
        "web/Chart.yaml",
        FILES["web/Chart.yaml"]
        + "dependencies:\n- {name: db, version: 0.1.0, repository: 'file://../lib'}\n",
    )
    chart.write("v.yaml", "")
    result = chart.run("k8s_yaml(helm('web', values='v.yaml'))")
    assert {chart.root / "web", chart.root / "lib"} <= set(result.watched_trees)
    assert {chart.root / "v.yaml", *map(chart.root.joinpath, FILES)} <= set(result.watched_paths)


def test_charts_are_rendered_at_the_same_time(chart):
    """Each waits until all have begun, which none would see if they ran one after another."""
    directory = chart.root / ".bin"
    script = tool(directory, "helm", STAND_IN if not REAL_HELM else REAL_HELM)
    body = script.read_text().partition("exec ")
    meet = f'while [ "$(wc -l < "{directory}/helm.log")" -lt 3 ]; do sleep 0.01; done\n'
    script.write_text(f"{body[0]}{meet}{body[1]}{body[2]}")
    ended = threading.Event()
    watchdog = threading.Timer(30, ended.set)
    watchdog.start()
    result = chart.run(
        "for name in ['a', 'b', 'c']:\n    k8s_yaml(helm('web', name=name), allow_duplicates=True)",
        cancelled=ended.is_set,
    )
    watchdog.cancel()
    names = [name for name in objects(result) if name.startswith("Deployment")]
    assert names == ["Deployment/a-web", "Deployment/b-web", "Deployment/c-web"]


def test_order_is_that_of_the_file(chart):
    chart.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: first}\n")
    chart.write("last.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: last}\n")
    result = chart.run("k8s_yaml(['pod.yaml', helm('web', name='r')])\nk8s_yaml('last.yaml')")
    assert [one.name for one in result.resources] == ["first", "r-web", "last", "uncategorized"]


def test_a_local_command_waits_for_charts_before_it(chart):
    text = (
        "k8s_yaml(helm('web'))\n"
        "local('rm -r web/templates', quiet=True, echo_off=True)\n"
        "k8s_resource('chart-web', new_name='web')\n"
    )
    assert chart.run(text).resources[0].name == "web"


def replaced(report, chart):
    return report.replace(str(chart.root), "ROOT")


def test_without_helm(chart):
    chart.env = {"PATH": "/nonexistent"}
    assert chart.report("k8s_yaml(helm('web'))") == (
        "Kappfile:1: helm: the program `helm` is not installed, or not on the PATH\n"
        "    k8s_yaml(helm('web'))\n"
        "hint: https://helm.sh/docs/intro/install/ says how to install it"
    )
    assert chart.helm_runs() == 0


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (
            "helm('nope')",
            "no such directory: nope (looked for ROOT/nope)",
            "paths start at the directory of the file that is executed",
        ),
        (
            "helm('web/Chart.yaml')",
            "web/Chart.yaml is a file, not a directory",
            "did you mean `web`?",
        ),
        (
            "helm('web/templates')",
            "web/templates is no chart: there is no Chart.yaml in it",
            "name the directory of a chart; charts of a repository are fetched by `helm pull`",
        ),
        (
            "helm('web', values='value.yaml')",
            "no such file: value.yaml (looked for ROOT/value.yaml)",
            "did you mean `values.yaml`?",
        ),
        (
            "helm('web', set={'a': 'b'})",
            "`set` must be a string or a list of strings, not a dict",
            "set: `'key=value'`, or a list of these",
        ),
    ],
)
def test_refuses(chart, call, message, hint):
    chart.write("values.yaml", "")
    error = chart.fails(f"k8s_yaml({call})")
    assert (replaced(error.message, chart), error.hint) == (f"helm: {message}", hint)
    assert error.location == "Kappfile:1"


def test_an_error_of_helm_is_told_where_helm_is_called(chart):
    chart.write("web/templates/bad.yaml", "{{ nonsense }}")
    chart.write("lib/Kappfile", "def deploy():\n    return helm('../web')\nblob = deploy()\n")
    text = "load('lib/Kappfile', 'blob')\nk8s_yaml(blob)\nprint('after')\n"
    error = chart.fails(text)
    assert error.message.startswith("helm: web: parse error at (web/templates/bad.yaml:1): ")
    assert [str(frame) for frame in error.frames] == [
        "Kappfile:1",
        "lib/Kappfile:3",
        "lib/Kappfile:2",
    ]
    assert error.source_line == "return helm('../web')"
    assert error.output == ("after",)
    assert chart.root / "web/templates/bad.yaml" in error.watched_paths


def test_what_a_chart_makes_is_checked_where_it_is_deployed(chart):
    chart.write("web/templates/bad.yaml", "a: b\n")
    error = chart.fails("chart = helm('web')\nk8s_yaml(chart)\n")
    assert error.location == "Kappfile:2"
    assert error.message.startswith("k8s_yaml: helm web:")
    assert error.message.endswith("this object has no apiVersion")


def test_a_missing_subchart(chart):
    chart.write(
        "web/Chart.yaml",
        FILES["web/Chart.yaml"]
        + "dependencies: [{name: lib, version: 0.1.0, repository: 'file://../x'}]\n",
    )
    error = chart.fails("k8s_yaml(helm('web'))")
    assert "missing in charts/ directory: lib" in error.message
    assert error.hint == "run `helm dependency build web`"


def test_renders_end_with_the_evaluation(chart):
    script = tool(chart.root / ".bin", "helm", STAND_IN)
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    started = threading.active_count()
    error = chart.fails("k8s_yaml(helm('web'))\nfail('stop')\n")
    assert error.message == "fail: stop"
    assert threading.active_count() == started


if REAL_HELM:
    assert shutil.which(REAL_HELM), REAL_HELM

    def test_the_stand_in_prints_what_helm_prints(chart):
        arguments = ["template", "r", str(chart.root / "web"), "--include-crds", "--namespace", "n"]
        arguments += ["--kube-version", "1.30.0", "--set", "image.tag=t"]

        def documents(*command):
            done = subprocess.run(
                [*command, *arguments], capture_output=True, text=True, check=True
            )
            return sorted(one.strip() for one in done.stdout.split("---\n") if one.strip())

        assert documents(sys.executable, STAND_IN) == documents(REAL_HELM)
