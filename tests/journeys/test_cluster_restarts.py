"""The API server and the kubelet are restarted: who asks localhost waits, no line of a log is lost.

For the cluster of tests/realcluster alone (of the embedded one, pods end with the API), and for
nobody beside it: `tests.realcluster.suite` names this file. `benchmarks.forward_faults` measures
how soon a forward works again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.realcluster.layout import Run
from tests.realcluster.restart import restart

from .conftest import KAPP, REAL_KUBECONFIG, Project, eventually, free_port, page, watching
from .manifests import server
from .printing import Printed, printer
from .steady import Steady

RUN = Run.of_machine()
# By name, and whether it crashes or is told to end
RESTARTS = [
    ("kube-apiserver", True),
    ("kube-apiserver", False),
    ("kubelet", True),
    ("kubelet", False),
]


@pytest.fixture(autouse=True)
def _own_cluster() -> None:
    if REAL_KUBECONFIG != str(RUN.kubeconfig):
        pytest.fail("only on the cluster of tests/realcluster: make check-real")


def test_who_asks_localhost_waits(project: Project) -> None:
    port = free_port()
    project.write("web.yaml", server("one"))
    project.write("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port})\n")
    project.up()
    eventually(lambda: page(port).startswith("one"))
    engine = int(project.get("session", "-o", "jsonpath={.items[0].status.pid}"))
    before = _descriptors(engine)

    with Steady(port).asking() as steady, _knocking(port) as refusals:
        for name, crash in RESTARTS:
            restart(RUN, name, crash=crash)
            seen = len(steady.requests)
            # two clients: each may have had one answer under way
            eventually(lambda seen=seen: len(steady.requests) > seen + 4)

    assert steady.failures == []
    assert refusals == []
    # what was opened for each cause is closed
    eventually(lambda: _descriptors(engine) <= before + 2)


def test_each_line_comes_once_and_in_order(project: Project) -> None:
    # As slow as a chatty server: the kubelet gives only the newest of its files, so that what it
    # rotates away while it cannot be asked is lost. Of its first instance there is enough to end
    # while the API server is away.
    project.write("web.yaml", printer("0", lines=4000, per_s=500))
    project.write("Kappfile", "k8s_yaml('web.yaml')\n")
    project.up()
    eventually(lambda: "web" in project.get("uiresources", "-o", "name"))
    with watching(project, [KAPP, "logs", "-f", "web"]) as output:
        printed = Printed(output)
        eventually(lambda: printed.read().lines > 500)
        for name, crash in RESTARTS:
            restart(RUN, name, crash=crash)
            before = printed.read().lines
            eventually(lambda before=before: printed.read().lines > before + 1000)
        project.write("web.yaml", printer("1", per_s=500))
        eventually(lambda: printed.read().over("0") == 2)
        eventually(lambda: printed.read().instances("1") == 1)
    assert "…" not in output.read_text(errors="replace")


@contextlib.contextmanager
def _knocking(port: int) -> Iterator[list[OSError]]:
    """Somebody who connects all the time, and asks nothing; how they were refused."""
    refusals: list[OSError] = []
    stop = threading.Event()

    def knock() -> None:
        while not stop.wait(0.05):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError as error:
                refusals.append(error)

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield refusals
    finally:
        stop.set()
        thread.join(timeout=30)


def _descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
