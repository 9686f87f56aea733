# ruff: noqa: ISC004 -- each text is one item, a line of it on a line

from __future__ import annotations

import pytest

from kapp.kappfile.model import Command, Link, LocalResource


def test_everything_that_a_local_resource_says(project):
    (found,) = project.run(
        "local_resource('web', 'make', deps=['src', '/abs'], trigger_mode=TRIGGER_MODE_MANUAL,\n"
        "  resource_deps=['db'], ignore=['*.tmp'], auto_init=False, serve_cmd=['./web', '-v'],\n"
        "  allow_parallel=True, links=['localhost:8000'], labels=['x'], env={'A': '1'},\n"
        "  serve_env={'B': '2'}, dir='sub', serve_dir='/srv',\n"
        "  readiness_probe=probe(period_secs=2, http_get=http_get_action(8000, path='/ok')))"
    ).local_resources
    root = project.root
    assert found == LocalResource(
        name="web",
        cmd=Command(("sh", "-c", "make"), root / "sub", (("A", "1"),)),
        serve_cmd=Command(("./web", "-v"), root.__class__("/srv"), (("B", "2"),)),
        deps=(root / "src", root.__class__("/abs")),
        ignores=((root, "*.tmp"),),
        trigger_mode="manual",
        auto_init=False,
        resource_deps=("db",),
        allow_parallel=True,
        links=(Link("http://localhost:8000"),),
        labels=("x",),
        readiness_probe={
            "initialDelaySeconds": 0,
            "timeoutSeconds": 1,
            "periodSeconds": 2,
            "successThreshold": 1,
            "failureThreshold": 3,
            "httpGet": {"port": 8000, "host": "localhost", "scheme": "HTTP", "path": "/ok"},
        },
        location="Kappfile:1",
    )


def test_the_trigger_mode_of_the_whole_file_is_its_default(project):
    result = project.run("local_resource('a', 'true')\ntrigger_mode(TRIGGER_MODE_MANUAL)\n")
    assert [one.trigger_mode for one in result.local_resources] == ["manual"]


def test_dependencies_across_kinds_are_checked(go):
    result = go.run(
        "k8s_yaml('kubernetes.yaml')\nk8s_resource('example-go', resource_deps=['db'])\n"
        "local_resource('db', 'true')\nlocal_resource('late', 'true', resource_deps=['exampel-go'])"
    )
    assert [str(one) for one in result.warnings] == [
        "Kappfile:4: `late` depends on `exampel-go`, which is no resource "
        "(did you mean `example-go`?)"
    ]
    assert result.names == ["db", "late", "example-go"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("local_resource('a')", "local_resource: needs a cmd, a serve_cmd, or both"),
        ("local_resource('', 'x')", "local_resource: `` is no name of a resource"),
        (
            "local_resource('a', 3)",
            "local_resource: `cmd` must be a command: a string for the shell, or a list of words, "
            "not an int",
        ),
        (
            "local_resource('a', 'x', readiness_probe=3)",
            "local_resource: `readiness_probe` must be probe(…), not an int",
        ),
        ("probe()", "probe: needs exactly one of exec, http_get and tcp_socket"),
        (
            "probe(exec=tcp_socket_action(1))",
            "probe: `exec` must be exec_action(…), not a tcp_socket_action",
        ),
        (
            "probe(period_secs=0, tcp_socket=tcp_socket_action(1))",
            "probe: `period_secs` must be at least 1",
        ),
        ("exec_action('x')", "exec_action: `command` must be a list of words, not a string"),
        (
            "http_get_action(80, scheme='ftp')",
            "http_get_action: `scheme` must be one of 'http', 'https', not 'ftp'",
        ),
        ("tcp_socket_action(0)", "tcp_socket_action: `port` must be a port from 1 to 65535, not 0"),
        (
            "local_resource('a', 'x'); local_resource('a', 'y')",
            "local_resource: there is already a resource `a`, declared at Kappfile:1",
        ),
        (
            "local_resource('a', 'x', resource_deps=['a'])",
            "k8s_resource: resources depend on each other in a circle: `a` → `a`",
        ),
    ],
)
def test_refuses(project, written, expected):
    assert project.fails(written).message == expected


def test_a_name_of_a_workload_is_taken(go):
    error = go.fails("k8s_yaml('kubernetes.yaml')\nlocal_resource('example-go', 'x')")
    assert str(error) == "Kappfile:2: local_resource: there is already a resource `example-go`"
