"""Which pod and which port: the rules, as tables and laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.cluster.forwardchoice import Backend, Forward, choose, container_port, rank


def pod(name: str, **fields: object) -> Backend:
    return Backend(name, "default", f"uid-{name}", **fields)  # type: ignore[arg-type]


READY_CURRENT = pod("a", ready=True)
READY_CURRENT_OLD = pod("b", ready=True, created_at="2026-01-01T00:00:00Z")
READY_PREVIOUS = pod("c", ready=True, current=False, created_at="2026-09-01T00:00:00Z")
LEAVING_READY = pod("d", ready=True, deleting=True)
STARTING = pod("e")
LEAVING = pod("f", deleting=True)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (READY_CURRENT_OLD, READY_CURRENT),  # the one without a time counts as oldest
        (READY_CURRENT, READY_PREVIOUS),
        (READY_PREVIOUS, LEAVING_READY),
        (LEAVING_READY, STARTING),
        (STARTING, LEAVING),
    ],
)
def test_better_pods_come_first(better: Backend, worse: Backend) -> None:
    assert rank([worse, better]) == rank([better, worse]) == [better, worse]


BACKENDS = st.lists(
    st.builds(
        Backend,
        pod=st.text("abc", min_size=1, max_size=2),
        namespace=st.just("default"),
        uid=st.uuids().map(str),
        ready=st.booleans(),
        current=st.booleans(),
        deleting=st.booleans(),
        created_at=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ),
    max_size=6,
)


@settings(max_examples=80)
@given(BACKENDS)
def test_a_pod_that_is_leaving_is_never_chosen_while_another_serves(pods: list[Backend]) -> None:
    best = choose(rank(pods), ())
    if any(p.ready and not p.deleting for p in pods):
        assert best is not None
        assert best.ready
        assert not best.deleting
    assert (best is None) == (not pods)


@settings(max_examples=80)
@given(BACKENDS)
def test_every_pod_is_tried_once_before_any_twice(pods: list[Backend]) -> None:
    failed: list[str] = []
    while (chosen := choose(rank(pods), failed)) is not None:
        failed.append(chosen.uid)
    assert sorted(failed) == sorted(p.uid for p in pods)


@pytest.mark.parametrize(
    ("forward", "declared", "port"),
    [
        (Forward(8000, 3000), (80, 8000), 3000),
        (Forward(8000), (80, 8000), 8000),
        (Forward(8000), (80, 443), 80),
        (Forward(8000), (), 8000),
    ],
)
def test_container_port(forward: Forward, declared: tuple[int, ...], port: int) -> None:
    assert container_port(forward, declared) == port
