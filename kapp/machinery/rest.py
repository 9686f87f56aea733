"""HTTP requests to a Kubernetes API as a pure function: Request in, Response out.

Holds no socket: `kapp.server.http` reads and writes. Everything a client did wrong comes back as a
Status; nothing raises. `RestApi.handle` is the entry; verbs are methods below it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from kapp.machinery import discovery
from kapp.machinery.listoptions import check_list_options
from kapp.machinery.negotiation import (
    Accepted,
    Decoder,
    decode_body,
    encode_body,
    media_type_of,
    negotiate,
)
from kapp.machinery.objects import Json, Object, name_of, uid_of
from kapp.machinery.openapi import V2_PROTOBUF, OpenApi, empty_v2
from kapp.machinery.options import WriteOptions
from kapp.machinery.patching import patch_kind, patched
from kapp.machinery.presenting import Presenter, accepted_by, answer, error_response
from kapp.machinery.registry import Registry
from kapp.machinery.requests import (
    Request,
    Response,
    StreamRequest,
    WatchResponse,
    delete_options,
    require_apply_options,
    write_options,
)
from kapp.machinery.routes import Target, find_target, split_path
from kapp.machinery.scale import scale_of, with_scale
from kapp.machinery.scheme import Kind
from kapp.machinery.status import (
    ApiError,
    bad_request,
    method_not_allowed,
    not_found,
    unknown_path,
)
from kapp.machinery.validation import report_fields
from kapp.machinery.watching import bookmark_line, error_line

# As many as a client can make use of; the rest would only fill the header.
_MAX_WARNINGS = 50
# Source: truncateItemRunes and truncateAtTotalRunes in k8s.io/apiserver/pkg/endpoints/filters/
# warning.go: a field's name may be as long as the body, a header may not.
_MAX_WARNING_CHARS = 256
_MAX_WARNINGS_CHARS = 4096

_ITEM_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
# A collection across namespaces can only be read (endpoints/installer.go).
_ALL_NAMESPACES_VERBS = {"GET": "list"}


class ServerVersion(NamedTuple):
    """What `/version` says: the version of Kubernetes that is spoken."""

    major: str
    minor: str
    git_version: str


class RestApi:
    """One server's API.

    Args:
        registry: what the verbs do.
        version: what to say at `/version`.
        title: of the OpenAPI documents.
        streams: the (group resource, subresource) pairs that have stream handlers.
        decoders: what reads bodies of further media types, beside JSON and YAML.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        version: ServerVersion,
        title: str = "Kubernetes",
        streams: Container[tuple[str, str]] = (),
        decoders: Mapping[str, Decoder] = MappingProxyType({}),
    ) -> None:
        self._registry = registry
        self._version = version
        self._openapi = OpenApi(registry.scheme, title)
        self._title = title
        self._streams = streams
        self._decoders = decoders

    def handle(self, request: Request) -> Response | WatchResponse | StreamRequest:
        """Answer a request; every ApiError becomes a Status."""
        try:
            return self._handle(request)
        except ApiError as error:
            return error_response(error)
        except RecursionError:
            return error_response(bad_request("the object is nested too deeply"))

    def is_stream(self, path: str) -> bool:
        """Whether a path names a subresource that a stream handler answers.

        The body of such a request may be a stream's and is not to be read ahead. An object that
        is called `log` or `exec` is no stream.
        """
        try:
            target = find_target(self._registry.scheme, split_path(path))
        except ApiError:
            return False
        return (target.kind.resource.group_resource, target.subresource) in self._streams

    def _handle(self, request: Request) -> Response | WatchResponse | StreamRequest:
        parts = split_path(request.path)
        if parts[0] in ("api", "apis") and len(parts) > (2 if parts[0] == "api" else 3):
            return self._resource(request, find_target(self._registry.scheme, parts))
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed(request.method)
        return self._document(request, parts)

    def _document(self, request: Request, parts: list[str]) -> Response:
        """Discovery, version and OpenAPI. Raises ApiError (404)."""
        accept = request.headers.get("accept", "")
        scheme = self._registry.scheme
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
                found = self._version_info()
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
        scheme = self._registry.scheme
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

    def _version_info(self) -> Object:
        major, minor, git_version = self._version
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

    def _resource(
        self, request: Request, target: Target
    ) -> Response | WatchResponse | StreamRequest:
        kind = target.kind
        if target.subresource:
            return self._subresource(request, target)
        verbs = _ITEM_VERBS if target.name else _COLLECTION_VERBS
        if kind.namespaced and not target.namespace:
            verbs = _ALL_NAMESPACES_VERBS
        verb = verbs.get(request.method, "")
        watching = request.method == "GET" and request.flag("watch")
        if (("watch" if watching else verb) or "none") not in kind.verbs:
            raise method_not_allowed(request.method)
        if watching:
            return self._watch(request, target)
        warnings: list[str] = []
        return _warned(self._verb(verb, request, target, warnings), warnings)

    def _verb(self, verb: str, request: Request, target: Target, warnings: list[str]) -> Response:
        match verb:
            case "get":
                return self._get(request, target)
            case "list":
                return self._list(request, target)
            case "create":
                return self._create(request, target, warnings)
            case "update":
                return self._update(request, target, warnings)
            case "patch":
                return self._patch(request, target, warnings)
            case "delete":
                return self._delete(request, target)
        return self._delete_collection(request, target)

    def _presenter(self, request: Request, target: Target) -> Presenter:
        return Presenter(request, target.kind, self._registry.now)

    def _get(self, request: Request, target: Target) -> Response:
        presenter = self._presenter(request, target)
        if presenter.plain:
            return Response(200, self._registry.read(target.kind, target.key) + b"\n")
        return presenter.object(self._registry.get(target.kind, target.key))

    def _list(self, request: Request, target: Target) -> Response:
        presenter = self._presenter(request, target)
        query = request.query
        check_list_options(query, watching=False)
        page = self._registry.list(
            target.kind,
            target.namespace,
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
            limit=request.number("limit"),
            continue_token=query.get("continue", ""),
            resource_version=query.get("resourceVersion", ""),
            version_match=query.get("resourceVersionMatch", ""),
        )
        return presenter.page(page)

    def _watch(self, request: Request, target: Target) -> WatchResponse | Response:
        presenter = self._presenter(request, target)
        query = request.query
        check_list_options(query, watching=True)
        initial = request.flag("sendInitialEvents")
        fields = query.get("fieldSelector", "")
        if target.name:
            fields = ",".join(f for f in (fields, f"metadata.name={target.name}") if f)
        try:
            selection = self._registry.watch(
                target.kind,
                target.namespace,
                resource_version=query.get("resourceVersion", ""),
                label_selector=query.get("labelSelector", ""),
                field_selector=fields,
                send_initial_events=initial,
            )
        except ApiError as error:
            if error.code != 410:
                raise
            # An event, not a failed request: clients look for it there alone (storage/cacher).
            return Response(200, error_line(error), presenter.stream_type)
        return WatchResponse(
            selection=selection,
            content_type=presenter.stream_type,
            lines=None if presenter.accepted.form == "Object" else presenter.lines,
            bookmark=lambda version, end: bookmark_line(target.kind, version, initial_end=end),
            version=lambda: self._registry.store.resource_version,
            initial_end=initial,
            bookmarks=request.flag("allowWatchBookmarks"),
            timeout_s=max(request.number("timeoutSeconds"), 0),
        )

    def _body(
        self, request: Request, kind: Kind, options: WriteOptions, media_type: str = ""
    ) -> Object:
        """The object in a request's body. Raises ApiError (400, 415)."""
        media_type = media_type or media_type_of(request.headers.get("content-type", ""))
        body, duplicates = decode_body(request.body, media_type, self._decoders)
        if not isinstance(body, dict):
            raise bad_request("the request's body must be an object")
        if duplicates:
            report_fields(kind, [f'duplicate field "{path}"' for path in duplicates], options)
        return body

    def _create(self, request: Request, target: Target, warnings: list[str]) -> Response:
        presenter = self._presenter(request, target)
        options = write_options(request, warnings.append, "")
        body = self._body(request, target.kind, options)
        created = self._registry.create(target.kind, target.namespace, body, options)
        return presenter.object(created, 201)

    def _update(self, request: Request, target: Target, warnings: list[str]) -> Response:
        presenter = self._presenter(request, target)
        options = write_options(request, warnings.append, target.subresource)
        body = self._body(request, target.kind, options)
        updated = self._registry.update(target.kind, target.key, body, options)
        return presenter.object(updated)

    def _patch(self, request: Request, target: Target, warnings: list[str]) -> Response:
        presenter = self._presenter(request, target)
        media_type = media_type_of(request.headers.get("content-type", ""))
        how = patch_kind(target.kind, media_type)
        require_apply_options(request, is_apply=how == "apply")
        options = write_options(request, warnings.append, target.subresource)
        body: Json
        if how == "apply":
            body = self._body(request, target.kind, options, media_type)
        else:
            body, duplicates = decode_body(request.body, media_type)
            if duplicates and how != "json":
                problems = [f'duplicate field "{path}"' for path in duplicates]
                report_fields(target.kind, problems, options)
        result, created = self._registry.patch(target.kind, target.key, body, how, options)
        return presenter.object(result, 201 if created else 200)

    def _delete(self, request: Request, target: Target) -> Response:
        presenter = self._presenter(request, target)
        deleted, gone = self._registry.delete(
            target.kind,
            target.key,
            delete_options(request, _delete_body(request), target.kind.propagation),
        )
        if not gone:
            return presenter.object(deleted)
        group = {"group": target.kind.group} if target.kind.group else {}
        kind, uid = target.kind.plural, uid_of(deleted)
        details = {"name": name_of(deleted), **group, "kind": kind, "uid": uid}
        success = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return answer(success, Accepted(presenter.accepted.media_type, "Object"))

    def _delete_collection(self, request: Request, target: Target) -> Response:
        presenter = self._presenter(request, target)
        deleted = self._registry.delete_collection(
            target.kind,
            target.namespace,
            delete_options(request, _delete_body(request), target.kind.propagation),
            label_selector=request.query.get("labelSelector", ""),
            field_selector=request.query.get("fieldSelector", ""),
        )
        return presenter.page(deleted)

    def _subresource(self, request: Request, target: Target) -> Response | StreamRequest:
        kind, name = target.kind, target.subresource
        listed = {sub.name for sub in kind.subresources}
        if (kind.resource.group_resource, name) in self._streams:
            obj = self._registry.get(kind, target.key)
            return StreamRequest(kind, target.key, name, obj)
        if target.rest:
            raise unknown_path()
        warnings: list[str] = []
        if name == "status" and kind.has_status:
            verb = _ITEM_VERBS.get(request.method, "")
            if verb not in ("get", "update", "patch"):
                raise method_not_allowed(request.method)
            response = self._verb(verb, request, target, warnings)
        elif name == "scale" and name in listed:
            response = self._scale(request, target, warnings)
        elif request.method == "POST" and any(
            s.deletes for s in kind.subresources if s.name == name
        ):
            response = self._evict(request, target)
        elif not kind.strategic:  # as for custom kinds: customresource_handler.go
            raise not_found(kind.resource.group_resource, target.name)
        else:
            raise unknown_path()
        return _warned(response, warnings)

    def _evict(self, request: Request, target: Target) -> Response:
        """Delete an object in the words of an Eviction. Source: registry/core/pod/eviction.go."""
        media_type = media_type_of(request.headers.get("content-type", ""))
        body, _ = decode_body(request.body, media_type, self._decoders)
        wanted = body.get("deleteOptions") if isinstance(body, dict) else None
        self._registry.delete(target.kind, target.key, delete_options(request, wanted or {}))
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        accepted = Accepted(accepted_by(request).media_type, "Object")
        return answer({**success, "code": 201}, accepted, 201)

    def _scale(self, request: Request, target: Target, warnings: list[str]) -> Response:
        accepted = Accepted(accepted_by(request).media_type, "Object")
        live = self._registry.get(target.kind, target.key)
        paths = target.kind.scale_paths
        if request.method == "GET":
            return answer(scale_of(live, paths), accepted)
        options = write_options(request, warnings.append, "")
        media_type = media_type_of(request.headers.get("content-type", ""))
        body, _ = decode_body(request.body, media_type)
        if request.method == "PATCH":
            how = patch_kind(target.kind, media_type)
            merge = "merge" if how in ("apply", "strategic") else how
            body = patched(scale_of(live, paths), body, merge, self._registry.types_of(target.kind))
        elif request.method != "PUT":
            raise method_not_allowed(request.method)
        if not isinstance(body, dict):
            raise bad_request("the request's body must be a Scale")
        scaled = with_scale(live, body, paths)
        updated = self._registry.update(target.kind, target.key, scaled, options)
        return answer(scale_of(updated, paths), accepted)


def _warned(response: Response, warnings: list[str]) -> Response:
    """The response with its warnings, which have to fit into a client's limit for headers."""
    if not warnings:
        return response
    room = _MAX_WARNINGS_CHARS
    told: list[str] = []
    for warning in warnings[:_MAX_WARNINGS]:
        text = warning[:_MAX_WARNING_CHARS]
        room -= len(text)
        if room < 0:
            break
        told.append(text)
    return msgspec.structs.replace(response, warnings=tuple(told))


def _delete_body(request: Request) -> Json:
    if not request.body:
        return None
    media_type = media_type_of(request.headers.get("content-type", ""))
    body, _ = decode_body(request.body, media_type)
    return body
