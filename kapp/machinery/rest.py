"""HTTP requests to a Kubernetes API as a pure function: Request in, Response out.

Holds no socket: `kapp.server.http` reads and writes. Everything a client did wrong comes back as a
Status; nothing raises. `RestApi.handle` is the entry; verbs are methods below it. What is no
object (discovery, version, OpenAPI) is in `documents.py`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType

from kapp.machinery.documents import ServerDocuments, ServerVersion
from kapp.machinery.listoptions import check_list_options
from kapp.machinery.negotiation import Accepted, Decoder, decode_body
from kapp.machinery.objects import Json, Object, name_of, uid_of
from kapp.machinery.options import WriteOptions
from kapp.machinery.patching import patch_kind, patched
from kapp.machinery.presenting import (
    Presenter,
    accepted_by,
    answer,
    error_response,
    success,
    with_warnings,
)
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

_ITEM_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
# A collection across namespaces can only be read (endpoints/installer.go).
_ALL_NAMESPACES_VERBS = {"GET": "list"}


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
        self._documents = ServerDocuments(registry.scheme, version, title)
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
        return self._documents.get(parts, request.headers.get("accept", ""))

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
        return with_warnings(self._verb(verb, request, target, warnings), warnings)

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

    def _body(self, request: Request, kind: Kind, options: WriteOptions) -> Object:
        """The object in a request's body. Raises ApiError (400, 415)."""
        body, duplicates = decode_body(request.body, request.media_type, self._decoders)
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
        how = patch_kind(target.kind, request.media_type)
        require_apply_options(request, is_apply=how == "apply")
        options = write_options(request, warnings.append, target.subresource)
        body: Json
        if how == "apply":
            body = self._body(request, target.kind, options)
        else:
            body, duplicates = decode_body(request.body, request.media_type)
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
        return success(request, details=details)

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
        return with_warnings(response, warnings)

    def _evict(self, request: Request, target: Target) -> Response:
        """Delete an object in the words of an Eviction. Source: registry/core/pod/eviction.go."""
        body, _ = decode_body(request.body, request.media_type, self._decoders)
        wanted = body.get("deleteOptions") if isinstance(body, dict) else None
        self._registry.delete(target.kind, target.key, delete_options(request, wanted or {}))
        return success(request, 201, code=201)

    def _scale(self, request: Request, target: Target, warnings: list[str]) -> Response:
        accepted = Accepted(accepted_by(request).media_type, "Object")
        live = self._registry.get(target.kind, target.key)
        paths = target.kind.scale_paths
        if request.method == "GET":
            return answer(scale_of(live, paths), accepted)
        options = write_options(request, warnings.append, "")
        body, _ = decode_body(request.body, request.media_type)
        if request.method == "PATCH":
            how = patch_kind(target.kind, request.media_type)
            merge = "merge" if how in ("apply", "strategic") else how
            body = patched(scale_of(live, paths), body, merge, self._registry.types_of(target.kind))
        elif request.method != "PUT":
            raise method_not_allowed(request.method)
        if not isinstance(body, dict):
            raise bad_request("the request's body must be a Scale")
        scaled = with_scale(live, body, paths)
        updated = self._registry.update(target.kind, target.key, scaled, options)
        return answer(scale_of(updated, paths), accepted)


def _delete_body(request: Request) -> Json:
    if not request.body:
        return None
    body, _ = decode_body(request.body, request.media_type)
    return body
