"""The way to the cluster is cut, goes silent or is away: who asks localhost waits, and no more.

`benchmarks.forward_faults` measures how soon it works again.
"""

from __future__ import annotations

import socket

from .conftest import Project, eventually, free_port, page
from .manifests import server
from .proxy import Fault, Proxy, Request
from .steady import Steady

CUTS = 5


def _hang(request: Request) -> Fault | None:
    return Fault(hang=True) if request.path.endswith("/portforward") else None


def test_cuts_silence_and_absence(behind: Project, proxy: Proxy) -> None:
    port = free_port()
    behind.write("web.yaml", server("one"))
    behind.write("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port})\n")
    behind.up()
    eventually(lambda: page(port).startswith("one"))

    with Steady(port).asking() as steady:

        def answers_again() -> None:
            seen = len(steady.requests)
            # two clients: each may have had one answer under way
            eventually(lambda: len(steady.requests) > seen + 4)

        for _ in range(CUTS):
            proxy.cut_tunnels()
            answers_again()
        proxy.silence_tunnels()
        answers_again()
        proxy.obey(_hang)  # what is new hangs as well
        proxy.silence_tunnels()
        eventually(lambda: proxy.requests[-1].path.endswith("/portforward"))
        _is_bound(port)
        proxy.obey(None)
        answers_again()
        proxy.go_away()
        _is_bound(port)
        proxy.come_back()
        answers_again()

    assert steady.failures == []
    # one for each cause, and some for attempts that a cause ended; old ones are let go
    eventually(lambda: proxy.tunnels <= 2)


def _is_bound(port: int) -> None:
    """Somebody accepts at the local port."""
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
