"""Nothing of an evaluation outlives it: the engine runs one at every save."""

from __future__ import annotations

import gc

import pytest

from kapp.kappfile.host import Host


@pytest.mark.parametrize(
    "text",
    ["", "load('lib.star', 'x')", "load_dynamic('lib.star')", "fail('x')", "x = [", "exit()"],
)
def test_hosts_are_freed(project, text):
    project.write("lib.star", "x = 1\ndef f():\n    pass\n")
    for _ in range(3):
        try:
            project.run(text)
        except Exception:
            continue
    gc.collect()
    assert not [item for item in gc.get_objects() if isinstance(item, Host)]
