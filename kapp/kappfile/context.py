"""Which cluster a Kappfile is evaluated for, and the guard against touching the wrong one.

The guard is pure; the engine calls it before every write, not only after an evaluation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgspec


class KubeContextInfo(msgspec.Struct, frozen=True):
    """What a Kappfile may know of the cluster.

    `is_local` is True for the embedded cluster and the known local cluster products.
    """

    name: str
    namespace: str = "default"
    is_local: bool = False


class Refusal(NamedTuple):
    """Why a context may not be written to, and what to do about it."""

    message: str
    hint: str


def check_context(context: KubeContextInfo, allowed: Collection[str]) -> Refusal | None:
    """None if kapp may write to `context`; `allowed` is what `allow_k8s_contexts` named."""
    if context.is_local or context.name in allowed:
        return None
    if not context.name:
        return Refusal(
            "no Kubernetes context is selected",
            "choose one with `kubectl config use-context`, or pass --context",
        )
    return Refusal(
        f"the context `{context.name}` is not a local cluster, so kapp does not write to it",
        f"if that is intended, add allow_k8s_contexts('{context.name}') to the Kappfile",
    )
