"""`k8s_attach`: resources that are followed and not applied."""

from __future__ import annotations

import pytest

from kapp.kappfile.model import Attach, Link, PortForward


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'deployment/web'", Attach("apps/v1", "Deployment", "web")),
        ("'deployments.apps/web'", Attach("apps/v1", "Deployment", "web")),
        ("'svc/web', 'shared'", Attach("v1", "Service", "web", "shared")),
        ("'Pod/web-0', namespace='a'", Attach("v1", "Pod", "web-0", "a")),
        ("'sts/db'", Attach("apps/v1", "StatefulSet", "db")),
        ("'job/once'", Attach("batch/v1", "Job", "once")),
    ],
)
def test_objects(project, written, expected):
    (resource,) = project.run(f"k8s_attach('it', {written})").resources
    assert (resource.name, resource.attach) == ("it", expected)
    assert (resource.objects, resource.yaml, resource.apply_cmd) == ((), "", None)


def test_it_is_configured_as_any_resource(project):
    (resource,) = project.run(
        "k8s_attach('it', 'deploy/web', port_forwards=8000, labels='shared')\n"
        "k8s_resource('it', links='http://localhost:8000/docs')\n"
        "port_forward('it', 9000)"
    ).resources
    assert resource.port_forwards == (PortForward(8000), PortForward(9000))
    assert resource.labels == ("shared",)
    assert resource.links == (Link("http://localhost:8000/docs"),)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("k8s_attach('a', 'web')", "k8s_attach: `obj` must be kind/name, not `web`"),
        ("k8s_attach('a', 'pod/Web')", "k8s_attach: `Web` is no name of an object"),
        ("k8s_attach('a', 'pod/')", "k8s_attach: `` is no name of an object"),
        ("k8s_attach('a', 'pod/a', '../b')", "k8s_attach: `../b` is no name of an object"),
        ("k8s_attach('', 'pod/a')", "k8s_attach: `` is no name of a resource"),
        (
            "k8s_attach('a', 'pod/a'); k8s_attach('a', 'pod/b')",
            "k8s_attach: there is already a resource `a`",
        ),
        (
            "k8s_attach('a', 'pod/a', live_update=[1])",
            "k8s_attach: `live_update` is not part of kapp yet",
        ),
    ],
)
def test_refuses(project, written, expected):
    assert project.fails(written).message == expected
