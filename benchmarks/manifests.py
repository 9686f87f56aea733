"""What the benchmarks deploy.

A Deployment without replicas costs the cluster as little as can be, so that what is timed is the
deployer.
"""

from __future__ import annotations


def deployment(name: str, mark: str, *, replicas: int = 0) -> str:
    """A Deployment as text; `mark` is the annotation that an edit changes."""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
  annotations: {{mark: "{mark}"}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: busybox:1.36
        command: [sh, -c, "exec sleep 3600"]
        ports: [{{containerPort: 8000}}]
"""


def deployments(count: int, *, edited: str = "") -> str:
    """Many Deployments as one text; the last one has the mark `edited`."""
    return "---\n".join(
        deployment(f"web-{index:03}", edited if index == count - 1 else "")
        for index in range(count)
    )


def mark_of(item: dict[str, object]) -> str:
    """The mark of a Deployment, as the cluster has it."""
    metadata: dict[str, dict[str, str]] = item["metadata"]  # type: ignore[assignment]
    return metadata.get("annotations", {}).get("mark", "")
