"""`python -m tests.realcluster start | stop | restart NAME | check [PYTEST…] | check-if-possible`.

`restart` ends kube-apiserver or kubelet, and returns when another one answers in its place.
Ends with 77 where this machine lacks what a cluster needs; `check-if-possible` says so in a frame
and ends with 0 instead.
"""

from __future__ import annotations

import os
import sys

from . import lifecycle, requirements, restart, suite
from .layout import Cache, Run


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    command, *rest = arguments or [""]
    if command == "stop":
        lifecycle.stop(Run.of_machine())
        return 0
    if command == "restart" and len(rest) == 1 and rest[0] in restart.RESTARTABLE:
        return _restart(rest[0])
    if command not in ("start", "check", "check-if-possible"):
        print(__doc__, file=sys.stderr)
        return 2
    if not os.environ.get("KAPP_TEST_KUBECONFIG"):
        lacking = requirements.missing(Cache.of_user())
        if lacking:
            if command == "check-if-possible":
                _say_in_a_frame(lacking)
                return 0
            print("a real cluster cannot be started here; missing:", file=sys.stderr)
            for lack in lacking:
                print(f"  {lack}", file=sys.stderr)
            return requirements.EXIT_IMPOSSIBLE
    try:
        if command == "start":
            print(_start())
            return 0
        return suite.run_tests(rest)
    except lifecycle.ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _start() -> str:
    given = os.environ.get("KAPP_TEST_KUBECONFIG", "")
    return given or str(lifecycle.start(Cache.of_user(), Run.of_machine()))


def _restart(name: str) -> int:
    try:
        away_s = restart.restart(Run.of_machine(), name)
    except lifecycle.ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{name} answers again after {away_s:.1f} s")
    return 0


def _say_in_a_frame(lacking: list[str]) -> None:
    lines = [
        "THE TESTS DID NOT RUN AGAINST A REAL KUBERNETES.",
        "All that passed, passed on the embedded cluster alone. Missing here:",
        *(f"  - {lack}" for lack in lacking),
        "Or name a cluster: KAPP_TEST_KUBECONFIG=PATH make check-real",
    ]
    width = max(map(len, lines))
    print("#" * (width + 4))
    for line in lines:
        print(f"# {line:<{width}} #")
    print("#" * (width + 4), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
