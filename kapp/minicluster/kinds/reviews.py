"""Kinds that are answered and never stored: who am I, what may I do.

Who has the cluster's token may do everything: there is no other user, and nothing is enforced.
Source: pkg/registry/authorization and pkg/registry/authentication.
"""

from __future__ import annotations

from collections.abc import Callable

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Kind
from kapp.minicluster import openapi

_USER = {
    "username": "kubernetes-admin",
    "groups": ["system:masters", "system:authenticated"],
}


def _allowed(review: Object) -> Object:
    return {**review, "status": {"allowed": True}}


def _all_rules(review: Object) -> Object:
    resources = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    status = {"resourceRules": [resources], "nonResourceRules": [paths], "incomplete": False}
    return {**review, "status": status}


def _me(review: Object) -> Object:
    return {**review, "status": {"userInfo": _USER}}


def _review(group: str, kind: str, answer: Callable[[Object], Object]) -> Kind:
    return Kind(
        group=f"{group}.k8s.io",
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        verbs=("create",),
        schema=openapi.schema(f"{group}.v1.{kind}"),
        definitions=openapi.definitions(),
        has_status=False,
        counts_generations=False,
        strategic=True,
        answer=answer,
    )


KINDS = (
    _review("authentication", "SelfSubjectReview", _me),
    _review("authorization", "SelfSubjectAccessReview", _allowed),
    _review("authorization", "SelfSubjectRulesReview", _all_rules),
)
