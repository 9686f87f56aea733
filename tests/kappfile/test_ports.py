from __future__ import annotations

# ruff: noqa: E501 -- error texts stand on one line, as they are read
import pytest

from kapp.kappfile.model import PortForward

F = PortForward

IN_RESOURCE = [
    ("8000", [F(8000)]),
    ("'8000'", [F(8000)]),
    ("'8000:8080'", [F(8000, 8080)]),
    ("'0.0.0.0:8000:8080'", [F(8000, 8080, "0.0.0.0")]),
    ("'my-host.dev:8000:8080'", [F(8000, 8080, "my-host.dev")]),
    ("'[::1]:8000:8080'", [F(8000, 8080, "::1")]),
    ("[8000, '9000:90']", [F(8000), F(9000, 90)]),
    ("[8000, 8000]", [F(8000)]),
    ("[]", []),
    ("port_forward(8000)", [F(8000)]),
    ("port_forward(8000, 8080)", [F(8000, 8080)]),
    ("port_forward(8000, 8080, 'web', '/docs', '0.0.0.0')",
     [F(8000, 8080, "0.0.0.0", "web", "/docs")]),
    ("port_forward(8000, host='::', name='n')", [F(8000, 0, "::", "n")]),
    ("port_forward(local_port=8000, container_port=80)", [F(8000, 80)]),
    ("port_forward('8000:8080')", [F(8000, 8080)]),
    ("[port_forward(8000, link_path='/x'), 9000]", [F(8000, path="/x"), F(9000)]),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), IN_RESOURCE, ids=[c[0] for c in IN_RESOURCE])
def test_values(go, written, expected):
    (resource,) = go.run(
        f"k8s_yaml('kubernetes.yaml')\nk8s_resource('example-go', port_forwards={written})"
    ).resources
    assert list(resource.port_forwards) == expected


STATEMENTS = [
    ("port_forward('example-go', 8000)", F(8000)),
    ("port_forward('example-go', 8000, 8080)", F(8000, 8080)),
    ("port_forward('example-go', '8000:8080')", F(8000, 8080)),
    ("port_forward('example-go', 8000, name='web', host='0.0.0.0')", F(8000, 0, "0.0.0.0", "web")),
    ("port_forward('example-go', local_port=8000, container_port=80)", F(8000, 80)),
    ("port_forward('example-go', 8000, link_path='/docs')", F(8000, path="/docs")),
]


@pytest.mark.parametrize(("written", "expected"), STATEMENTS, ids=[c[0] for c in STATEMENTS])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_statements(go, written, expected, first):
    lines = [written, "k8s_yaml('kubernetes.yaml')"]
    result = go.run("\n".join(lines if first else reversed(lines)))
    (resource,) = result.resources
    assert resource.port_forwards == (expected,)
    assert result.warnings == ()


WRONG = [
    ("port_forward('web')", "port_forward: the local port is missing (such as port_forward('web', 8000))"),
    ("port_forward()", "port_forward: the local port is missing (such as port_forward('web', 8000))"),
    ("port_forward('web', 0)", "port_forward: `local_port` must be a port from 1 to 65535, not 0 (local_port: the port on this machine)"),
    ("port_forward('web', 70000)", "port_forward: `local_port` must be a port from 1 to 65535, not 70000 (local_port: the port on this machine)"),
    ("port_forward('web', True)", "port_forward: `local_port` must be a port number, not a bool (local_port: the port on this machine)"),
    ("port_forward('web', 1, local_port=2)", "port_forward: `local_port` is given twice"),
    ("port_forward('web', '1:2', 3)", "port_forward: `container_port` is given twice"),
    ("port_forward(1, 2, 'n', '/p', 'h', 6)", "port_forward: too many arguments (port_forward('web', 8000, 8080))"),
    ("port_forward('web', 1, host='a b')", "port_forward: `host`: 'a b' is no host name or address"),
    ("k8s_resource('a', port_forwards='a:b')", "k8s_resource: `port_forwards`: 'a:b' is no port forward (write 8000, '8000:8080' or '0.0.0.0:8000:8080')"),
    ("k8s_resource('a', port_forwards='1:2:3:4')", "k8s_resource: `host`: '1:2' is no host name or address"),
    ("k8s_resource('a', port_forwards={'a': 1})", "k8s_resource: `port_forwards` must be a port, a string or port_forward(…), or a list of these, not a dict (port_forwards: `8000`, `'8000:8080'`, `'0.0.0.0:8000:8080'`, `port_forward(…)`, or a list)"),
    ("k8s_resource('a', port_forwards='²')", "k8s_resource: `port_forwards`: '²' is no port forward (write 8000, '8000:8080' or '0.0.0.0:8000:8080')"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), WRONG, ids=[case[0] for case in WRONG])
def test_refuses(project, written, expected):
    assert project.fails(written).one_line() == f"Kappfile:1: {expected}"
