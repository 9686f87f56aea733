"""What kapp's work needs of an account, and what of it a cluster says is missing.

Asked with SelfSubjectAccessReviews (kubernetes.io/docs/reference/access-authn-authz/authorization),
which every account may create.
"""

from __future__ import annotations

from typing import NamedTuple

from kapp.machinery.objects import Resource
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False
)


class Right(NamedTuple):
    """To do something with a kind of object in a namespace; `purpose` completes "needed to …"."""

    verb: str
    group: str
    resource: str
    subresource: str
    purpose: str

    def __str__(self) -> str:
        path = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {path}"


NEEDED = (
    Right("patch", "apps", "deployments", "", "apply"),
    Right("delete", "apps", "deployments", "", "delete what left the Kappfile"),
    Right("create", "", "configmaps", "", "record what was applied"),
    Right("watch", "", "pods", "", "find the pods"),
    Right("get", "", "pods", "log", "show logs"),
    Right("create", "", "pods", "portforward", "forward ports"),
)
"""For a project of Deployments; other kinds need the same of their own."""


async def missing(client: Client, namespace: str) -> list[Right] | None:
    """Those of `NEEDED` that the account lacks; None where the cluster cannot tell.

    Raises Unreachable.
    """
    lacking = []
    for right in NEEDED:
        attributes = {
            "namespace": namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            answer = await client.create(_REVIEWS, review)
        except ApiError:
            return None
        if not (answer.get("status") or {}).get("allowed"):
            lacking.append(right)
    return lacking
