"""The schemas of the built-in kinds, as a Kubernetes API server publishes them.

Package data made by `tools/build_minicluster_openapi.py` from the OpenAPI v3 documents of
Kubernetes 1.36. Read once, by `kapp.minicluster.kinds`; about 5 ms.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

KUBERNETES_MINOR = 36
"""The minor version of Kubernetes 1 whose schemas these are; `/version` says the same."""


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """Schemas by full name (`io.k8s.api.apps.v1.DeploymentSpec`); shared, not to be changed."""
    packed = files("kapp.minicluster").joinpath("data", "openapi.json.gz").read_bytes()
    schemas: dict[str, dict[str, Any]] = msgspec.json.decode(gzip.decompress(packed))
    return schemas


def schema(name: str) -> dict[str, Any]:
    """The schema called `io.k8s.api.` + `name`, such as `core.v1.Pod`. Raises KeyError."""
    return definitions()[f"io.k8s.api.{name}"]
