"""`localhost:PORT` answers, whatever happens to the pods. `benchmarks.rollouts` judges waits."""

from __future__ import annotations

from .conftest import Project, eventually, free_port, page
from .manifests import server
from .steady import Steady

ROLLOUTS = 4
DELETIONS = 2


def test_nothing_is_refused_or_reset(project: Project) -> None:
    port, recreated = free_port(), free_port()
    project.write("web.yaml", server("v0"))
    project.write("one.yaml", server("v0", name="one", recreate=True))
    project.write(
        "Kappfile",
        f"""\
        k8s_yaml(['web.yaml', 'one.yaml'])
        port_forward('web', {port})
        port_forward('one', {recreated})
        """,
    )
    project.up()
    for each in (port, recreated):
        eventually(lambda each=each: page(each).startswith("v0"))

    with Steady(port).asking() as steady, Steady(recreated).asking() as other:
        for number in range(ROLLOUTS):
            version = f"v{number + 1}"
            project.write("web.yaml", server(version))
            eventually(lambda version=version: steady.first(version))
        for _ in range(DELETIONS):
            pod = page(port).split()[1]
            project.kubectl("delete", "pod", pod, "--wait=false")
            eventually(lambda pod=pod: page(port).split()[1] != pod)
        project.write("one.yaml", server("v1", name="one", recreate=True))
        # Ready as soon as it runs, though nothing listens yet: its predecessor ends by then
        project.write("web.yaml", server("late", probe=False, delay_s=2))
        for each, version in ((steady, "late"), (other, "v1")):
            eventually(lambda each=each, version=version: each.first(version))
        project.write("web.yaml", server("flips", flip_s=2))
        eventually(lambda: steady.first("flips"))
        for expected in ("False", "True"):
            eventually(lambda expected=expected: _ready(project, "flips") == expected)

    assert steady.failures == other.failures == []
    seen = {one.body.split()[0] for one in steady.requests}
    assert seen == {*(f"v{number}" for number in range(ROLLOUTS + 1)), "late", "flips"}
    assert {one.body.split()[0] for one in other.requests} == {"v0", "v1"}
    hang_guard_s = 30
    assert max(one.waited for one in steady.requests + other.requests) < hang_guard_s


def _ready(project: Project, version: str) -> str:
    """The Ready condition of a version's pod, "" while there is none."""
    env = '{.spec.containers[0].env[?(@.name=="PAGE")].value}'
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    rows = project.kubectl(
        "get", "pods", "-o", f"jsonpath={{range .items[*]}}{env} {condition}{{'\\n'}}{{end}}"
    ).splitlines()
    return next((row.split()[1] for row in rows if row.startswith(f"{version} ")), "")
