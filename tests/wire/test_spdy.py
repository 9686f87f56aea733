"""The SPDY codec: laws (chunking, round trip), stream states, and what a hostile peer gets."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.wire import spdy
from kapp.wire.spdy import (
    Data,
    GoAway,
    Ping,
    Pong,
    RstStream,
    SpdyError,
    SpdySession,
    SynReply,
    SynStream,
)
from kapp.wire.spdydict import DICTIONARY

HEADERS = {"streamtype": "data", "port": "8000", "requestid": "0"}


def plain(events: list[spdy.Event]) -> list[tuple[object, ...]]:
    """Events with bytes for views, and the parts of one data frame joined."""
    joined: list[tuple[object, ...]] = []
    for event in events:
        item: tuple[object, ...] = (type(event).__name__, *event)
        if isinstance(event, Data):
            payload = bytes(event.payload)
            if joined and joined[-1][:2] == ("Data", event.stream_id) and not joined[-1][3]:
                payload = joined.pop()[2] + payload  # type: ignore[operator]
            item = ("Data", event.stream_id, payload, event.fin)
        joined.append(item)
    return joined


def test_the_dictionary_is_the_one_of_the_draft() -> None:
    # RFC 1950 names a preset dictionary by its Adler-32; SPDY/3's is known
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2
    assert len(DICTIONARY) == 1423


def test_a_stream_from_opening_to_half_close_in_both_directions() -> None:
    client, server = SpdySession("client"), SpdySession("server")
    stream_id, opening = client.syn_stream({"StreamType": "data", "port": "80"})
    assert stream_id == 1
    assert server.feed(opening) == [SynStream(1, {"streamtype": "data", "port": "80"}, False)]
    assert client.feed(server.syn_reply(1)) == [SynReply(1, {}, False)]
    assert plain(server.feed(client.data(1, b"request", fin=True))) == [
        ("Data", 1, b"request", True)
    ]
    assert plain(client.feed(server.data(1, b"answer"))) == [("Data", 1, b"answer", False)]
    assert plain(client.feed(server.data(1, b"", fin=True))) == [("Data", 1, b"", True)]
    assert client.stream_count == server.stream_count == 0
    with pytest.raises(SpdyError):
        client.data(1, b"late")


def test_header_compression_spans_frames() -> None:
    client, server = SpdySession("client"), SpdySession("server")
    sizes = []
    for _ in range(3):
        _, frame = client.syn_stream(HEADERS)
        sizes.append(len(frame))
        assert server.feed(frame)[0][1] == HEADERS
    assert sizes[2] < sizes[0]


def test_pings_are_told_from_answers_by_parity() -> None:
    client, server = SpdySession("client"), SpdySession("server")
    ping_id, frame = client.ping()
    assert server.feed(frame) == [Ping(ping_id)]
    assert client.feed(server.pong(ping_id)) == [Pong(ping_id)]
    assert client.ping()[0] == ping_id + 2
    assert server.ping()[0] % 2 == 0


def test_a_reset_stream_is_gone_and_what_is_in_flight_for_it_dropped() -> None:
    client, server = SpdySession("client"), SpdySession("server")
    stream_id, frame = client.syn_stream(HEADERS)
    server.feed(frame)
    in_flight = server.data(stream_id, b"x" * 100)
    assert server.feed(client.rst_stream(stream_id)) == [RstStream(stream_id, 5)]
    assert client.feed(in_flight + server.goaway()) == [GoAway(1, 0)]
    assert client.rst_stream(stream_id) == b""
    assert client.stream_count == server.stream_count == 0


def test_a_large_payload_is_split_and_joined() -> None:
    client, server = SpdySession("client"), SpdySession("server")
    stream_id, frame = client.syn_stream(HEADERS)
    payload = bytes(range(256)) * (70_000)
    events = server.feed(frame + client.data(stream_id, payload, fin=True))
    assert b"".join(event.payload for event in events if isinstance(event, Data)) == payload
    assert [event.fin for event in events if isinstance(event, Data)] == [False, True]


def test_frames_kapp_has_no_use_for_are_skipped() -> None:
    settings_frame = bytes.fromhex("8003000400000004") + b"\0\0\0\0"
    window_update = bytes.fromhex("8003000900000008") + b"\0" * 8
    server = SpdySession("server")
    assert server.feed(settings_frame + window_update) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("syn"), st.dictionaries(st.text("abc", min_size=1), st.text())),
        st.tuples(st.just("data"), st.binary(max_size=300)),
        st.tuples(st.just("fin"), st.binary(max_size=3)),
        st.tuples(st.just("rst"), st.just(None)),
        st.tuples(st.just("ping"), st.just(None)),
        st.tuples(st.just("goaway"), st.just(None)),
    ),
    max_size=20,
)


def emit(steps: list[tuple[str, object]]) -> bytes:
    client, out, open_streams = SpdySession("client"), [], list[int]()
    for step, value in steps:
        if step == "syn":
            stream_id, frame = client.syn_stream(value)  # type: ignore[arg-type]
            open_streams.append(stream_id)
            out.append(frame)
        elif step == "ping":
            out.append(client.ping()[1])
        elif step == "goaway":
            out.append(client.goaway())
        elif open_streams and step == "data":
            out.append(client.data(open_streams[0], value))  # type: ignore[arg-type]
        elif open_streams and step == "fin":
            out.append(client.data(open_streams.pop(), value, fin=True))  # type: ignore[arg-type]
        elif open_streams and step == "rst":
            out.append(client.rst_stream(open_streams.pop(0)))
    return b"".join(out)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_any_chunking_gives_the_same_events(
    steps: list[tuple[str, object]], sizes: list[int]
) -> None:
    wire = emit(steps)
    whole = plain(SpdySession("server").feed(wire))
    server, events, position, turn = SpdySession("server"), [], 0, 0
    while position < len(wire):
        size = sizes[turn % len(sizes)]
        events += server.feed(wire[position : position + size])
        position, turn = position + size, turn + 1
    assert plain(events) == whole


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), STEPS, st.integers(0, 1000), st.integers(0, 255))
def test_malformed_input_is_a_typed_error_or_events_and_nothing_else(
    noise: bytes, steps: list[tuple[str, object]], at: int, value: int
) -> None:
    corrupt = bytearray(emit(steps))
    if corrupt:
        corrupt[at % len(corrupt)] = value
    for wire in (noise, bytes(corrupt) + noise, b"\x80\x03\x00\x01" + noise):
        try:
            SpdySession("server").feed(wire)
        except SpdyError:
            pass


def control(kind: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return bytes((0x80, 3, 0, kind)) + size.to_bytes(4, "big") + payload


def block(body: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    return deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(control(1, b"", spdy.MAX_CONTROL_BYTES + 1), id="long control frame"),
        pytest.param(control(1, b"\0" * 4), id="short syn_stream"),
        pytest.param(control(6, b"\0"), id="short ping"),
        pytest.param(bytes.fromhex("8002000600000004") + b"\0\0\0\1", id="version 2"),
        pytest.param(bytes(8), id="data on stream 0"),
        pytest.param(
            control(1, b"\0\0\0\2" + bytes(6) + block(bytes(4))), id="not the peer's parity"
        ),
        pytest.param(
            control(1, b"\0\0\0\1" + bytes(6) + block(b"\0\0\0\1\0\0\0\x09ab")), id="short header"
        ),
        pytest.param(
            control(1, b"\0\0\0\1" + bytes(6) + block(b"\xff\xff\xff\xff")), id="many headers"
        ),
        pytest.param(
            control(1, b"\0\0\0\1" + bytes(6) + block(bytes(10_000_000))), id="header bomb"
        ),
        pytest.param(control(1, b"\0\0\0\1" + bytes(6) + b"not zlib"), id="not zlib"),
    ],
)
def test_a_hostile_frame_ends_the_session(wire: bytes) -> None:
    server = SpdySession("server")
    with pytest.raises(SpdyError):
        server.feed(wire)
    with pytest.raises(SpdyError):
        server.feed(b"")


def test_stream_ids_must_grow() -> None:
    first, second = SpdySession("client"), SpdySession("client")
    server = SpdySession("server")
    _, early = first.syn_stream({})
    server.feed(early)
    with pytest.raises(SpdyError):
        server.feed(control(1, b"\0\0\0\1" + bytes(6) + block(bytes(4))))
    assert second.stream_count == 0
