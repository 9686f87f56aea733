"""How soon a forward works again: from a cause's end to the answer of a connection made after it.

A proxy between kapp and the cluster is the network: it cuts what is open, passes nothing on, or is
away. Somebody asks all the time meanwhile, so that parked connections are there as well; what they
see is counted. The leak of a thousand connections is counted in the kernel's tables. On the cluster
of tests/realcluster its API server and its kubelet are restarted as well, with no proxy between.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, main
from benchmarks.world import free_port, world
from tests.journeys.manifests import server
from tests.journeys.proxy import Fault, Proxy, Request
from tests.journeys.steady import Steady
from tests.realcluster.layout import Run
from tests.realcluster.restart import RESTARTABLE, restart

ROUNDS = 5
LONG_S = 5.0
CYCLES = 1000
_BUDGET_S = 3.0
_DEADLINE_S = 60.0


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Every cause, some times."""
    figures = _through_a_proxy(kubeconfig)
    if kubeconfig is not None and kubeconfig.resolve() == Run.of_machine().kubeconfig:
        figures += _restarts(kubeconfig)
    return figures


def _through_a_proxy(kubeconfig: Path | None) -> list[Figure]:
    port = free_port()
    with world(kubeconfig) as here, contextlib.ExitStack() as stack:
        proxy = Proxy(here.directory.parent, str(here.kubeconfig))
        stack.callback(proxy.close)
        proxy.come_back()
        here.environment["KUBECONFIG"] = str(proxy.kubeconfig)
        here.save("web.yaml", server("one"))
        here.save("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port})\n")
        stack.enter_context(here.up())
        _answered(port)
        session = here.kapp_objects("session")[0]["status"]
        assert isinstance(session, dict)
        engine = int(session["pid"])
        steady = Steady(port)
        figures = []
        with steady.asking(new=2, kept=1):
            for name, cause in _CAUSES.items():
                figures.append(_worst(name, partial(cause, proxy), port))
        return [*figures, *_seen(steady), *_leaks(engine, proxy, port)]


def _restarts(kubeconfig: Path) -> list[Figure]:
    """From the moment at which the program says that it is well."""
    port = free_port()
    with world(kubeconfig) as here:
        here.save("web.yaml", server("one"))
        here.save("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port})\n")
        with here.up():
            _answered(port)
            steady = Steady(port)
            figures = []
            with steady.asking(new=2, kept=1):
                for program in RESTARTABLE:
                    for crash in (True, False):
                        how = "crashed" if crash else "was restarted"
                        cause = partial(restart, Run.of_machine(), program, crash=crash)
                        figures.append(_worst(f"{program} {how}", cause, port))
            return [*figures, *_seen(steady, "through restarts")]


def _cut(proxy: Proxy) -> None:
    proxy.cut_tunnels()


def _silent(proxy: Proxy) -> None:
    """Half-open: nobody is told, and what is new hangs too."""

    def hang(request: Request) -> Fault | None:
        return Fault(hang=True) if request.path.endswith("/portforward") else None

    proxy.obey(hang)
    proxy.silence_tunnels()
    time.sleep(LONG_S)
    proxy.obey(None)


def _silent_for_those_there_are(proxy: Proxy) -> None:
    proxy.silence_tunnels()


def _away(proxy: Proxy) -> None:
    proxy.go_away()
    time.sleep(LONG_S)
    proxy.come_back()


_CAUSES: dict[str, Callable[[Proxy], None]] = {
    "its connection is cut": _cut,
    "its connection alone goes silent": _silent_for_those_there_are,
    "five silent seconds of the network": _silent,
    "five seconds without an API server": _away,
}


def _worst(name: str, cause: Callable[[], object], port: int) -> Figure:
    """Of some times."""
    took = [_after(cause, port) for _ in range(ROUNDS)]
    print(name, *(f"{one:.2f}" for one in took), flush=True)
    return Figure(f"forward answers after {name}, worst", max(took), "s", _BUDGET_S)


def _seen(steady: Steady, when: str = "meanwhile") -> list[Figure]:
    """What those who asked saw."""
    failures = steady.failures
    for failure in failures[:10]:
        print(f"failed: {failure}")
    return [
        Figure(f"requests {when}", len(steady.requests), "requests"),
        Figure("of them refused, reset or cut", len(failures), "requests", 0),
    ]


def _after(cause: Callable[[], object], port: int) -> float:
    """Seconds from the end of `cause` to the answer of a connection that was made after it."""
    cause()
    ended = time.perf_counter()
    _answered(port)
    took = time.perf_counter() - ended
    time.sleep(0.5)
    return took


def _answered(port: int) -> None:
    deadline = time.perf_counter() + _DEADLINE_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        try:
            connection.request("GET", "/")
            if connection.getresponse().read():
                return
        except OSError:  # before it listens
            time.sleep(0.05)
        finally:
            connection.close()
        if time.perf_counter() > deadline:
            raise RuntimeError("the forward does not answer")


def _leaks(engine: int, proxy: Proxy, port: int) -> list[Figure]:
    """What a thousand connections and cuts leave in the engine."""
    for _ in range(100):
        _answered(port)
    before = _size(engine)
    for number in range(CYCLES):
        if number % 20 == 0:
            proxy.cut_tunnels()
        _answered(port)
    time.sleep(5)  # closes what it closes
    after = _size(engine)
    return [
        Figure(f"descriptors more after {CYCLES} cycles", after[0] - before[0], "open", 2),
        Figure(f"resident memory more after {CYCLES} cycles", after[1] - before[1], "MiB", 5),
    ]


def _size(pid: int) -> tuple[int, float]:
    """Open descriptors, and resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS:"))
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(resident.split()[1]) / 1024


if __name__ == "__main__":
    main(measure)
