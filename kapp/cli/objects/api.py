"""kapp's API over the engine's Unix socket: the requests of kubectl's commands.

Refusals are ApiErrors, which `printing.refused` shows as kubectl does.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from kapp.cli.engines import connect, running_instance, send
from kapp.errors import KappError
from kapp.instance import Instance
from kapp.machinery.objects import Object, gvk_of, name_of
from kapp.machinery.printers.options import GetOptions
from kapp.machinery.printers.targets import Targets, find_targets
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import ApiError

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_GROUP_VERSIONS = ("apis/kapp.dev/v1alpha1", "api/v1")
# The engine answers at once, or not at all.
_ANSWER_S = 60.0


class Api:
    """The API of the engine that `--file FILE` names, or the one that can be meant.

    Raises KappError where there is none, and from every request that is not answered.
    """

    def __init__(self, file: str) -> None:
        self._instance: Instance = running_instance(file)

    @cached_property
    def scheme(self) -> Scheme:
        """The kinds that the engine serves: their names and URLs, without schemas."""
        scheme = Scheme()
        for path in _GROUP_VERSIONS:
            listed = self.call("GET", f"/{path}")
            group, _, version = listed["groupVersion"].rpartition("/")
            for one in listed["resources"]:
                if "/" not in one["name"]:
                    scheme.register(_kind_of(one, group, version))
        return scheme

    def kind_of(self, obj: Object) -> Kind:
        """The kind of an object. Raises KappError, in kubectl's words, if none is served."""
        gvk = gvk_of(obj)
        kind = self.scheme.by_gvk(gvk)
        if kind is None:
            raise KappError(
                f'resource mapping not found for name: "{name_of(obj)}": no matches for '
                f'kind "{gvk.kind}" in version "{gvk.api_version}"',
                hint="`kapp api-resources` shows the kinds there are",
            )
        return kind

    def targets(self, words: Sequence[str], selector: str = "", fields: str = "") -> Targets:
        """What `KIND NAME…`, `KIND/NAME…` or a selector means. Raises KappError."""
        options = GetOptions(words=tuple(words), selector=selector, field_selector=fields)
        return find_targets(self.scheme, options)

    def get(self, kind: Kind, name: str) -> Object | None:
        """An object, or None."""
        try:
            return self.call("GET", path_of(kind, name))
        except ApiError as error:
            if error.code == http.client.NOT_FOUND:
                return None
            raise

    def list(self, kind: Kind, selector: str = "", fields: str = "") -> Object:
        """A list as the server has it."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        return self.call("GET", path_of(kind), query=query)

    def patch(
        self, kind: Kind, name: str, body: Any, how: str = MERGE_PATCH, **query: str
    ) -> Object:
        """Patch an object; parameters that are "" are left out."""
        path = path_of(kind, name, query.pop("subresource", ""))
        return self.call("PATCH", path, query=query, body=body, content_type=how)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request; its answer. Warnings go to stderr. Raises ApiError."""
        with self._send(method, path, query, body, content_type) as response:
            _warn(response)
            answer: Object = json.load(response)
        if response.status >= http.client.BAD_REQUEST:
            raise ApiError.from_status(answer, response.status)
        return answer

    def watch(
        self, kind: Kind, name: str, version: str, left_s: Callable[[], float | None]
    ) -> Iterator[tuple[str, Object]]:
        """The changes of an object after a version: type and object, until the server ends it.

        `left_s` says how long to wait for the next one; None for ever. Raises TimeoutError.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "fieldSelector": f"metadata.name={name}",
        }
        connection = connect(self._instance, left_s())
        with closing(connection):
            connection.request("GET", f"{path_of(kind)}?{urlencode(query)}")
            with connection.getresponse() as response:
                if response.status >= http.client.BAD_REQUEST:
                    raise ApiError.from_status(json.load(response), response.status)
                while line := response.readline():
                    event = json.loads(line)
                    yield event["type"], event["object"]
                    connection.sock.settimeout(left_s())

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
    ) -> http.client.HTTPResponse:
        given = urlencode({name: value for name, value in (query or {}).items() if value})
        return send(
            self._instance,
            method,
            f"{path}?{given}" if given else path,
            body,
            content_type=content_type,
            timeout_s=_ANSWER_S,
        )


def path_of(kind: Kind, name: str = "", subresource: str = "") -> str:
    """The URL of a collection, an object or a subresource."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    parts = [quote(part, safe="") for part in (name, subresource) if part]
    return "/".join([root, kind.plural, *parts])


def _kind_of(one: Object, group: str, version: str) -> Kind:
    return Kind(
        group=group,
        version=version,
        kind=one["kind"],
        plural=one["name"],
        singular=one.get("singularName") or "",
        short_names=tuple(one.get("shortNames") or ()),
        categories=tuple(one.get("categories") or ()),
        namespaced=one["namespaced"],
        verbs=tuple(one["verbs"]),
    )


def _warn(response: http.client.HTTPResponse) -> None:
    from kapp.cli.render import say

    for warning in response.headers.get_all("Warning") or ():
        # 299 - "text", in which quotes are escaped (RFC 9111)
        text = warning.partition('"')[2].rpartition('"')[0]
        say("Warning: " + text.replace('\\"', '"').replace("\\\\", "\\"))
