"""The channel protocols: messages as Kubernetes' servers and kubectl write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.wire import channels
from kapp.wire.channels import ChannelError, ForwardChannels, ForwardData, ForwardFailure


@given(st.integers(0, 255), st.binary())
@settings(max_examples=50)
def test_a_message_is_read_as_written(channel: int, payload: bytes) -> None:
    message = channels.decode(channels.encode(channel, payload))
    assert (message.channel, bytes(message.payload)) == (channel, payload)


def test_close_and_resize() -> None:
    assert channels.encode_close(channels.STDIN) == b"\xff\x00"
    assert channels.decode_close(channels.decode(b"\xff\x00").payload) == 0
    size = channels.TerminalSize(120, 40)
    assert channels.decode_resize(channels.decode(channels.encode_resize(size)).payload) == size


@pytest.mark.parametrize("code", [0, 1, 3, 137])
def test_an_exit_code_survives_the_trip(code: int) -> None:
    outcome = channels.decode_status(channels.exit_status(code))
    assert outcome.code == code
    assert bool(outcome.message) == bool(code)


def test_a_failure_to_start_has_no_exit_code() -> None:
    assert channels.decode_status(channels.failure_status("no such file")) == (-1, "no such file")


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"[]", b'{"Width": "x", "Height": 1}', b'{"Width": -1, "Height": 1}']
)
def test_unreadable_payloads_are_typed_errors(bad: bytes) -> None:
    with pytest.raises(ChannelError):
        channels.decode_resize(bad)
    with pytest.raises(ChannelError):
        channels.decode_status(bad)
    with pytest.raises(ChannelError):
        channels.decode(b"")
    with pytest.raises(ChannelError):
        channels.decode_close(b"\x01\x02")


def test_port_forward_channels() -> None:
    reading = ForwardChannels([8000, 9000])
    openings = channels.forward_openings([8000, 9000])
    # as seen from a kubelet: channel byte, then the port as a little-endian 16-bit number
    assert openings[0] == b"\x00\x40\x1f"
    assert [reading.receive(message) for message in openings] == [None] * 4
    assert reading.open
    assert reading.receive(b"\x02body") == ForwardData(1, memoryview(b"body"))
    assert reading.receive(b"\x01refused") == ForwardFailure(0, "refused")
    assert reading.encode(1, b"body") == b"\x02body"
    with pytest.raises(ChannelError):
        reading.receive(b"\x04")


def test_a_channel_opened_with_another_port_is_an_error() -> None:
    with pytest.raises(ChannelError):
        ForwardChannels([8000]).receive(b"\x00\x00\x00")
