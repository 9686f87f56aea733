"""The verbs that read: get, list and watch, as a Kubernetes API server answers them.

Synchronous, so that an answer is of one moment. Errors are ApiError, in Kubernetes' words. The
`Registry` is a reader that also writes.
"""

from __future__ import annotations

from functools import partial

from kapp.machinery.conversion import shown
from kapp.machinery.events import Event
from kapp.machinery.objects import Object, ObjectKey, Resource
from kapp.machinery.paging import Page, expired_token, parse_version, read_token, write_token
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.selectors import parse_field_selector, parse_label_selector
from kapp.machinery.status import ApiError, bad_request, not_found, unknown_path
from kapp.machinery.store import Store, decode, too_large_version
from kapp.machinery.watching import Matcher, Selection


class Reader:
    """What can be read of one server.

    Args:
        scheme: the kinds; may grow and shrink (custom resources).
        store: where objects are.
    """

    def __init__(self, scheme: Scheme, store: Store) -> None:
        self.scheme = scheme
        self.store = store

    def kind_of(self, resource: Resource) -> Kind:
        """The kind that a resource serves. Raises ApiError (404) if none."""
        kind = self.scheme.by_path(resource.group, resource.version, resource.plural)
        if kind is None:
            raise unknown_path()
        return kind

    def get(self, kind: Kind, key: ObjectKey) -> Object:
        """A copy of the object. Raises ApiError (404)."""
        return decode(self.read(kind, key))

    def read(self, kind: Kind, key: ObjectKey) -> bytes:
        """The object as JSON. Raises ApiError (404)."""
        entry = self.store.get(kind.collection, key)
        if entry is None:
            raise not_found(kind.collection, key.name)
        return shown(kind, entry.body)

    def list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        version_match: str = "",
    ) -> Page:
        """A consistent list; `limit` 0 or less is unlimited.

        Raises ApiError: 400 for what cannot be parsed, 410 for a version or token that is too
        old, 504 for a version that is yet to come.
        """
        matcher = self._matcher(kind, label_selector, field_selector)
        version, after = self._list_version(continue_token, resource_version, version_match)
        resource = kind.collection
        if (
            (name := matcher.name) is not None
            and not version
            and (namespace or not kind.namespaced)
        ):
            entry = self.store.get(resource, key := ObjectKey(namespace, name))
            found = [(key, entry)] if entry is not None else []
        else:
            try:
                found = self.store.list(resource, namespace, at=version)
            except ApiError as error:
                if continue_token and error.code == 410:
                    raise expired_token() from error
                raise
        if after is not None:
            found = [item for item in found if item[0] > after]
        if not matcher.everything:
            found = [item for item in found if matcher.matches(item[0], item[1].body)]
        version = version or self.store.resource_version
        rest = len(found) - limit if limit > 0 else 0
        if rest <= 0:
            return Page([shown(kind, entry.body) for _, entry in found], str(version))
        page = found[:limit]
        return Page(
            [shown(kind, entry.body) for _, entry in page],
            str(version),
            write_token(version, page[-1][0]),
            rest if matcher.everything else None,
        )

    def _list_version(
        self, token: str, resource_version: str, match: str
    ) -> tuple[int, ObjectKey | None]:
        """The version to list at (0: now), and the key after which to start."""
        if token:
            if resource_version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            version, after = read_token(token)
            if version > self.store.resource_version:  # of an engine that ran before this one
                raise expired_token()
            return version, after
        version = parse_version(resource_version)
        if version > self.store.resource_version:
            raise too_large_version(version, self.store.resource_version)
        return (version if match == "Exact" else 0), None

    def _matcher(self, kind: Kind, label_selector: str, field_selector: str) -> Matcher:
        return Matcher(
            kind,
            parse_label_selector(label_selector),
            parse_field_selector(
                field_selector,
                kind.selectable,
                metadata_only=kind.strategic and not kind.selectable,
            ),
        )

    def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        send_initial_events: bool = False,
    ) -> Selection:
        """Changes after `resource_version`; "" and "0" first show what there is, as ADDED.

        So does `send_initial_events`, for any version. Raises ApiError (400, 410, 504).
        """
        matcher = self._matcher(kind, label_selector, field_selector)
        resource = kind.collection
        version = parse_version(resource_version)
        convert = partial(shown, kind) if kind.present is not None else None
        if version and not send_initial_events:
            return Selection(self.store.watch(resource, namespace, version), matcher, shown=convert)
        if version > self.store.resource_version:
            raise too_large_version(version, self.store.resource_version)
        initial = [
            Event("ADDED", entry.resource_version, key, entry.body)
            for key, entry in self.store.list(resource, namespace)
            if matcher.matches(key, entry.body)
        ]
        return Selection(self.store.watch(resource, namespace), matcher, initial, shown=convert)
