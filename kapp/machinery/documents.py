"""What a server says of itself: its version, its resources (discovery), its schemas (OpenAPI).

Pure; `rest.py` asks it for every path that names no object.
"""

from __future__ import annotations

from typing import NamedTuple

from kapp.machinery import discovery
from kapp.machinery.negotiation import Accepted, encode_body, negotiate
from kapp.machinery.objects import Object
from kapp.machinery.openapi import V2_PROTOBUF, OpenApi, empty_v2
from kapp.machinery.presenting import answer
from kapp.machinery.requests import Response
from kapp.machinery.scheme import Scheme
from kapp.machinery.status import unknown_path


class ServerVersion(NamedTuple):
    """What `/version` says: the version of Kubernetes that is spoken."""

    major: str
    minor: str
    git_version: str


class ServerDocuments:
    """The documents of one server.

    Args:
        scheme: the kinds; may grow and shrink (custom resources).
        version: what to say at `/version`.
        title: of the OpenAPI documents.
    """

    def __init__(self, scheme: Scheme, version: ServerVersion, title: str) -> None:
        self._scheme = scheme
        self._version = version
        self._title = title
        self._openapi = OpenApi(scheme, title)

    def get(self, parts: list[str], accept: str) -> Response:
        """The document at a path, in a form that is accepted. Raises ApiError (404, 406)."""
        scheme = self._scheme
        found: Object | None = None
        match parts:
            case ["api" | "apis" as root]:
                return self._root(accept, core=root == "api")
            case ["api", version]:
                found = discovery.api_resource_list(scheme, "", version)
            case ["apis", group]:
                found = discovery.api_group(scheme, group)
            case ["apis", group, version]:
                found = discovery.api_resource_list(scheme, group, version)
            case ["version"]:
                found = _version_info(self._version)
            case ["openapi", "v2"]:
                found, packed = empty_v2(self._title)
                if "proto-openapi" in accept:
                    return Response(200, packed, V2_PROTOBUF)
            case ["openapi", "v3"]:
                found = self._openapi.index()
            case ["openapi", "v3", *path]:
                if (document := self._openapi.document("/".join(path))) is not None:
                    return Response(200, document.body, headers={"ETag": f'"{document.hash}"'})
        if found is None:
            raise unknown_path()
        accepted = negotiate(accept)
        return answer(found, Accepted(accepted.media_type, "Object"))

    def _root(self, accept: str, *, core: bool) -> Response:
        accepted = negotiate(accept, discovery=discovery.DISCOVERY_VERSIONS)
        scheme = self._scheme
        if accepted.form != "APIGroupDiscoveryList":
            legacy = discovery.api_versions(scheme) if core else discovery.api_group_list(scheme)
            return answer(legacy, accepted)
        body = encode_body(
            discovery.aggregated(scheme, accepted.version, core=core), accepted.media_type
        )
        content_type = (
            f"{accepted.media_type};g={discovery.DISCOVERY_GROUP};v={accepted.version};"
            "as=APIGroupDiscoveryList"
        )
        return Response(200, body, content_type, {"Vary": "Accept"})


def _version_info(version: ServerVersion) -> Object:
    major, minor, git_version = version
    return {
        "major": major,
        "minor": minor,
        "gitVersion": git_version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }
