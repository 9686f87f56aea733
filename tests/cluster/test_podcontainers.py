"""Which containers are followed, and which have printed their last."""

from __future__ import annotations

from typing import Any

import pytest

from kapp.cluster.podcontainers import followed, has_ended_for_good, restarts_of

ONCE = {"name": "first"}
SIDECAR = {"name": "proxy", "restartPolicy": "Always"}
MAIN = {"name": "main"}


def pod(policy: str, codes: dict[str, int], main: dict[str, Any] = MAIN) -> dict[str, Any]:
    def ended(*names: str) -> list[dict[str, Any]]:
        return [
            {"name": name, "state": {"terminated": {"exitCode": codes[name]}}}
            for name in names
            if name in codes
        ]

    return {
        "spec": {"restartPolicy": policy, "initContainers": [ONCE, SIDECAR], "containers": [main]},
        "status": {
            "phase": "Running",
            "initContainerStatuses": ended("first", "proxy"),
            "containerStatuses": ended("main"),
        },
    }


def test_which_are_followed() -> None:
    one = pod("Always", {})
    assert followed(one, only=(), ignore=()) == ["first", "proxy", "main"]
    assert followed(one, only=(), ignore=["proxy", "other"]) == ["first", "main"]
    assert followed(one, only=["main", "other"], ignore=()) == ["main"]
    assert followed(one, only=["proxy"], ignore=["proxy"]) == ["proxy"]


@pytest.mark.parametrize(
    ("policy", "name", "code", "expected"),
    [
        ("Always", "main", 0, False),
        ("OnFailure", "main", 0, True),
        ("OnFailure", "main", 1, False),
        ("Never", "main", 1, True),
        ("Always", "first", 0, True),
        ("Always", "first", 1, False),
        ("Never", "first", 1, True),
        ("Always", "proxy", 0, False),
        ("Never", "proxy", 0, False),  # its own policy starts it again
    ],
)
def test_which_have_ended(policy: str, name: str, code: int, expected: bool) -> None:
    assert has_ended_for_good(pod(policy, {name: code}), name) is expected
    assert has_ended_for_good(pod(policy, {}), name) is False
    over = pod(policy, {name: code})
    over["status"]["phase"] = "Failed"
    assert has_ended_for_good(over, name) is True


def test_a_containers_own_policy() -> None:
    never = {"name": "main", "restartPolicy": "Never"}
    assert has_ended_for_good(pod("Always", {"main": 1}, never), "main")
    rules = {**never, "restartPolicyRules": [{"action": "Restart"}]}
    assert not has_ended_for_good(pod("Always", {"main": 1}, rules), "main")
    assert not has_ended_for_good(pod("Always", {}), "unknown")


def test_how_often_one_was_started_again() -> None:
    one = pod("Always", {"main": 1})
    assert restarts_of(one, "main") == restarts_of(one, "unknown") == 0
    one["status"]["containerStatuses"][0]["restartCount"] = 3
    assert restarts_of(one, "main") == 3
