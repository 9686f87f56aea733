from __future__ import annotations

import pytest

from kapp.kappfile.context import KubeContextInfo, Refusal, check_context


@pytest.mark.parametrize(
    ("name", "is_local", "allowed", "expected"),
    [
        ("kind-dev", True, (), None),
        ("staging", False, ("staging",), None),
        (
            "prod",
            False,
            ("staging",),
            Refusal(
                "the context `prod` is not a local cluster, so kapp does not write to it",
                "if that is intended, add allow_k8s_contexts('prod') to the Kappfile",
            ),
        ),
        (
            "",
            False,
            (),
            Refusal(
                "no Kubernetes context is selected",
                "choose one with `kubectl config use-context`, or pass --context",
            ),
        ),
    ],
)
def test_guard(name, is_local, allowed, expected):
    assert check_context(KubeContextInfo(name, is_local=is_local), allowed) == expected
