"""All of the kinds: what the engine serves."""

from __future__ import annotations

from kapp.api.v1alpha1 import (
    cluster,
    cmd,
    configmap,
    filewatch,
    kappfile,
    kubernetesapply,
    kubernetesdiscovery,
    podlogstream,
    portforward,
    session,
    uiresource,
)
from kapp.machinery.scheme import Scheme

_MODULES = (
    kubernetesapply,
    kubernetesdiscovery,
    portforward,
    podlogstream,
    kappfile,
    filewatch,
    cluster,
    cmd,
    uiresource,
    session,
    configmap,
)


def scheme() -> Scheme:
    """All kinds of kapp's API. Takes some milliseconds: call it once."""
    result = Scheme()
    for module in _MODULES:
        result.register(module.kind())
    return result
