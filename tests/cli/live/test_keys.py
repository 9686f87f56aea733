"""What a terminal sends for keys."""

import pytest

from kapp.cli.live.keys import decode


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"jk", ["down", "up"]),
        (b"\x04", ["q"]),
        (b"\x1b[5~", []),
        (b"t\x1b", ["t"]),
        (b"\xc3\xa4", ["Ã", "¤"]),
    ],
)
def test_keys(sent, keys):
    assert decode(sent) == keys
