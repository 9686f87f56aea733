"""Build the embedded cluster's schemas from a Kubernetes API server's OpenAPI v3 documents.

    python tools/build_minicluster_openapi.py DIRECTORY

DIRECTORY holds `openapi-v3-api_v1.json.gz`, `openapi-v3-apis_apps_v1.json.gz` and the like, each
the answer of `kubectl get --raw /openapi/v3/api/v1` (or `/apis/apps/v1`, …), compressed; the
cluster of `make real-cluster` has them all. The output, `kapp/minicluster/data/openapi.json.gz`,
holds the schemas of the kinds that the embedded cluster serves and all that they refer to,
descriptions included, and nothing else. It is the same byte for byte when it is built again from
the same documents.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parent.parent / "kapp" / "minicluster" / "data" / "openapi.json.gz"
REFERENCE = "#/components/schemas/"
ROOTS = (
    *(
        f"io.k8s.api.core.v1.{kind}"
        for kind in (
            "ConfigMap",
            "Event",
            "LimitRange",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        )
    ),
    *(
        f"io.k8s.api.apps.v1.{kind}"
        for kind in (
            "ControllerRevision",
            "DaemonSet",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
        )
    ),
    "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    "io.k8s.api.authentication.v1.SelfSubjectReview",
    "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "io.k8s.api.batch.v1.CronJob",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.events.v1.Event",
    "io.k8s.api.networking.v1.Ingress",
    "io.k8s.api.networking.v1.IngressClass",
    "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    *(
        f"io.k8s.api.rbac.v1.{kind}"
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    ),
    "io.k8s.api.scheduling.v1.PriorityClass",
    "io.k8s.api.storage.v1.StorageClass",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
)
"""Kinds that are served; their lists are made by the server."""


def references(schema: Any) -> Iterator[str]:
    """Names of the definitions that `schema` refers to, directly."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REFERENCE)
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def main(directory: Path) -> None:
    """Read the documents in `directory` and write OUTPUT."""
    schemas: dict[str, Any] = {}
    for path in sorted(directory.glob("openapi-v3-*.json.gz")):
        document = json.loads(gzip.decompress(path.read_bytes()))
        schemas.update(document["components"]["schemas"])
    wanted: dict[str, Any] = {}
    queue = list(ROOTS)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted[name] = schemas[name]
            queue.extend(references(schemas[name]))
    text = json.dumps(wanted, sort_keys=True, separators=(",", ":"))
    OUTPUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(wanted)} schemas, {len(text)} bytes, {OUTPUT.stat().st_size} compressed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
