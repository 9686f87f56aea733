"""Nothing of an evaluation outlives it: the engine runs one at every save."""

from __future__ import annotations

import gc

import pytest

from kapp.kappfile.host import Host

RUNS = 40  # the native side lets go of the last few a little later


def hosts():
    gc.collect()
    return sum(isinstance(item, Host) for item in gc.get_objects())


@pytest.mark.parametrize(
    "text",
    ["", "load('lib.star', 'x')", "load_dynamic('lib.star')", "fail('x')", "x = [", "exit()"],
)
def test_hosts_are_freed(project, text):
    project.write("lib.star", "x = 1\ndef f():\n    pass\n")
    before = hosts()
    for _ in range(RUNS):
        try:
            project.run(text)
        except Exception:
            continue
    assert hosts() - before < RUNS / 4
