from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapp.machinery.status import ApiError
from kapp.minicluster.protobuf import decode

# What `kubectl create namespace x` sends (kubectl 1.37.1, -v=9).
NAMESPACE = bytes.fromhex(
    "6b3873000a0f0a0276311209 4e616d657370616365 1219 0a110a0178120 01a002200"
    "2a00320038004200 1200 1a020a00 1a002200".replace(" ", "")
)


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def test_what_kubectl_sends():
    assert decode(NAMESPACE) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "x"},
    }


def test_maps_and_bytes():
    entry = field(1, b"a") + field(2, b"hi")
    secret = field(1, field(1, b"s")) + field(2, entry) + field(3, b"Opaque")
    envelope = field(1, field(1, b"v1") + field(2, b"Secret")) + field(2, secret)
    assert decode(b"k8s\0" + envelope) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"a": "aGk="},
        "type": "Opaque",
    }


def test_pointers_inline_structs_and_quantities():
    replicas = field(2, bytes([1 << 3, 0]))  # spec.replicas: 0 is not the same as no replicas
    envelope = field(1, field(1, b"apps/v1") + field(2, b"ReplicaSet")) + field(2, replicas)
    assert decode(b"k8s\0" + envelope)["spec"] == {"replicas": 0}
    claim = field(3, field(1, field(1, b"disk")))  # volumes[].emptyDir is Volume's own in JSON
    volume = field(1, field(1, b"v") + field(2, claim))
    envelope = field(1, field(1, b"v1") + field(2, b"Pod")) + field(2, field(2, volume))
    spec = decode(b"k8s\0" + envelope)["spec"]
    assert spec["volumes"][0]["name"] == "v"
    assert set(spec["volumes"][0]) == {"name", "gcePersistentDisk"}
    hard = field(1, field(1, b"cpu") + field(2, field(1, b"2")))
    envelope = field(1, field(1, b"v1") + field(2, b"ResourceQuota")) + field(2, field(2, hard))
    assert decode(b"k8s\0" + envelope)["spec"] == {"hard": {"cpu": "2"}}


def test_nothing_is_dropped_in_silence():
    envelope = field(1, field(1, b"v1") + field(2, b"Namespace")) + field(2, field(15, b"x"))
    with pytest.raises(ApiError, match=r"field 15 of core\.v1\.Namespace"):
        decode(b"k8s\0" + envelope)
    envelope = field(1, field(1, b"v1") + field(2, b"Strange"))
    with pytest.raises(ApiError, match="Strange cannot be read as protobuf"):
        decode(b"k8s\0" + envelope)


@given(st.binary(max_size=60), st.integers(0, len(NAMESPACE)))
def test_damaged_messages_are_refused_not_crashed_on(junk, cut):
    for body in (b"k8s\0" + junk, NAMESPACE[:cut] + junk):
        with suppress(ApiError):
            decode(body)
