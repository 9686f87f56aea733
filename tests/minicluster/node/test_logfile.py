"""The log format, its reading from the end, and its bound."""

import io
import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.minicluster.node.logfile import LogFile, timestamp
from kapp.minicluster.node.streams_log import tail_offset

from .conftest import read_lines


def _clock() -> int:
    return 1_700_000_000_123_456_789


async def test_lines_keep_their_order_and_have_times_of_their_own(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "c" / "0.log", _clock)
    log.write(b"stdout", b"one\ntwo\nthr")
    log.write(b"stderr", b"error\n")
    log.write(b"stdout", b"ee\n")
    lines = list(read_lines(log.path))
    assert [line.text for line in lines] == [b"one", b"two", b"error", b"three"]
    assert [line.stream for line in lines] == [b"stdout", b"stdout", b"stderr", b"stdout"]
    times = [line.time for line in lines]
    assert times == sorted(set(times))
    assert times[0] == timestamp(_clock())
    log.close()


async def test_a_rest_without_a_newline_and_long_lines(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", _clock)
    reading, writing = os.pipe()
    log.attach(reading, b"stdout")
    os.write(writing, b"x" * 40_000 + b"\nrest")
    os.close(writing)
    log.close()
    text = b"".join(line.text + (b"\n" if line.whole else b"") for line in read_lines(log.path))
    assert text == b"x" * 40_000 + b"\nrest"
    assert log.closed.is_set()


async def test_a_log_is_bounded(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", _clock, max_bytes=10_000)
    for number in range(2000):
        log.write(b"stdout", b"line %d\n" % number)
    sizes = [path.stat().st_size for path in (log.path, log.old_path)]
    assert max(sizes) <= 10_000
    last = [line.text for line in read_lines(log.path)][-1]
    assert last == b"line 1999"
    log.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=30),
       st.integers(0, 40))  # fmt: skip
def test_tail(lines: list[bytes], wanted: int) -> None:
    file = io.BytesIO(b"".join(line + b"\n" for line in lines))
    offset, found = tail_offset(file, wanted)
    expected = lines[-wanted:] if wanted else []
    file.seek(offset)
    assert file.read() == b"".join(line + b"\n" for line in expected)
    assert found == len(expected)
