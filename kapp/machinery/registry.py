"""The REST rules of a Kubernetes API server on a store: what each verb does and refuses.

Here are the verbs that write; those that read are in `reading.py`. Objects given to a write become
the registry's; objects returned belong to the caller. Everything is synchronous, so a request sees
and leaves a consistent store. Errors are ApiError, in Kubernetes' words. Called by `rest.py` (HTTP)
and `kapp.runtime.local` (in-process).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal, Protocol

from kapp.machinery import prepare
from kapp.machinery.conversion import presented, shown, to_store
from kapp.machinery.fieldtypes import FieldTypes
from kapp.machinery.garbage import Garbage
from kapp.machinery.objects import (
    GroupVersionKind,
    Json,
    Object,
    ObjectKey,
    format_time,
    key_of,
    name_of,
    uid_of,
)
from kapp.machinery.options import DeleteOptions, WriteOptions
from kapp.machinery.paging import Page
from kapp.machinery.patching import PatchKind, applied, managed, patched
from kapp.machinery.reading import Reader
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import ApiError, already_exists, bad_request, conflict, not_found
from kapp.machinery.store import Store, decode
from kapp.machinery.validation import KindRules

Operation = Literal["CREATE", "UPDATE", "DELETE"]

# Source: k8s.io/apimachinery/pkg/util/rand: no vowels, so no words.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_CHARS = 5
# Source: maxNameGenerationCreateAttempts in k8s.io/apiserver/pkg/registry/generic/registry.
_NAME_ATTEMPTS = 8


class Admit(Protocol):
    """An admission hook; raises ApiError to refuse, may change `new` in place.

    For DELETE, `new` and `old` are both the live object.
    """

    def __call__(self, kind: Kind, operation: Operation, new: Object, old: Object | None) -> None:
        """Judge one write."""
        ...


def _new_uid() -> str:
    return str(uuid.uuid4())


def _new_suffix() -> str:
    return "".join(random.choices(_SUFFIX_LETTERS, k=_SUFFIX_CHARS))


class Registry(Reader):
    """All verbs on all kinds of one server.

    Args:
        scheme: the kinds; may grow and shrink (custom resources).
        store: where objects are; nothing else writes to it.
        now: the present wall time, in UTC.
        new_uid: makes uids.
        new_suffix: makes the ends of generated names.
        admit: hooks that judge every write, in order; see `Admit`. May be appended to.
    """

    def __init__(
        self,
        scheme: Scheme,
        store: Store,
        *,
        now: Callable[[], datetime],
        new_uid: Callable[[], str] = _new_uid,
        new_suffix: Callable[[], str] = _new_suffix,
        admit: Iterable[Admit] = (),
    ) -> None:
        super().__init__(scheme, store)
        self.now = now
        self.admit: list[Admit] = list(admit)
        self._new_uid = new_uid
        self._new_suffix = new_suffix
        self._garbage = Garbage(scheme, store, now)
        self._rules: dict[GroupVersionKind, KindRules] = {}

    def types_of(self, kind: Kind) -> FieldTypes:
        """How the fields of a kind merge."""
        return self._rules_of(kind).types

    def create(self, kind: Kind, namespace: str, obj: Object, options: WriteOptions) -> Object:
        """Create. Raises ApiError: 400, 409 AlreadyExists, 422, and what admission raises."""
        prepare.identify(kind, obj, namespace)
        self._rules_of(kind).check(obj, options)
        if kind.answer is not None:
            return kind.answer(obj)
        for _ in range(_NAME_ATTEMPTS - 1):
            base = dict(obj["metadata"])
            generated = prepare.generate_name(kind, obj, self._new_suffix)
            if not generated or self.store.get(kind.collection, key_of(obj)) is None:
                break
            obj["metadata"] = base
        else:
            prepare.generate_name(kind, obj, self._new_suffix)
        return self._create(kind, obj, options, managed_already=False)

    def _create(
        self, kind: Kind, obj: Object, options: WriteOptions, *, managed_already: bool
    ) -> Object:
        now = self.now()
        prepare.for_create(kind, obj, self._new_uid(), now)
        rules = self._rules_of(kind)
        # Dropping the status may leave something for the kind to default.
        rules.complete(obj)
        self._admitted(kind, "CREATE", obj, None)
        rules.validate(obj, None)
        if not managed_already:
            obj = managed(None, obj, rules.types, kind, options, format_time(now))
        resource = kind.collection
        if options.dry_run:
            if self.store.get(resource, key_of(obj)) is not None:
                raise already_exists(resource, name_of(obj))
            return obj
        stored = self.store.create(resource, key_of(obj), to_store(kind, obj))
        self._garbage.created(kind, stored)
        return presented(kind, stored)

    def update(self, kind: Kind, key: ObjectKey, obj: Object, options: WriteOptions) -> Object:
        """Replace. Raises ApiError: 400, 404, 409 Conflict, 422, and what admission raises."""
        live = self.get(kind, key)
        prepare.identify(kind, obj, key.namespace, key.name, named=True)
        return self._update(kind, live, obj, options, managed_already=False)

    def _update(
        self,
        kind: Kind,
        live: Object,
        new: Object,
        options: WriteOptions,
        *,
        managed_already: bool,
    ) -> Object:
        rules = self._rules_of(kind)
        new = prepare.for_update(kind, new, live, options.subresource)
        rules.check(new, options, live)
        self._admitted(kind, "UPDATE", new, live)
        rules.validate(new, live)
        if options.subresource != "status":
            prepare.bump_generation(kind, new, live)
        if not managed_already:
            time = format_time(self.now())
            new = managed(live, new, rules.types, kind, options, time)
        if prepare.unchanged(new, live):
            return live
        if options.dry_run:
            return new
        if self._garbage.finished(new):
            return self._garbage.remove(kind, to_store(kind, new))
        resource = kind.collection
        stored = self.store.replace(resource, key_of(new), to_store(kind, new))
        return presented(kind, stored)

    def patch(
        self, kind: Kind, key: ObjectKey, body: Json, how: PatchKind, options: WriteOptions
    ) -> tuple[Object, bool]:
        """Patch; returns the object and whether an apply patch created it.

        Raises ApiError: 400, 404, 409 Conflict (for an apply patch with a cause for each field
        that another manager has), 422, and what admission raises.
        """
        rules = self._rules_of(kind)
        if how == "apply":
            return self._apply(kind, key, body, options)
        live = self.get(kind, key)
        new = patched(live, body, how, rules.types)
        prepare.identify(kind, new, key.namespace, key.name, named=True)
        rules.check_patched(new, live, options)
        return self._update(kind, live, new, options, managed_already=False), False

    def _apply(
        self, kind: Kind, key: ObjectKey, body: Json, options: WriteOptions
    ) -> tuple[Object, bool]:
        if not isinstance(body, dict):
            raise bad_request("error decoding YAML: an apply patch is an object")
        rules = self._rules_of(kind)
        prepare.identify_applied(kind, body, key)
        body = prepare.for_apply(kind, body, options.subresource)
        rules.check_applied(body, key)
        resource = kind.collection
        entry = self.store.get(resource, key)
        if entry is None and options.subresource:
            raise not_found(resource, key.name)
        live = decode(shown(kind, entry.body)) if entry is not None else None
        uid = body["metadata"].get("uid")
        if live is None and uid:
            raise conflict(
                resource,
                key.name,
                f"uid mismatch: the provided object specified uid {uid}, and no existing object "
                "was found",
            )
        new = applied(live, body, rules.types, kind, options, format_time(self.now()))
        if live is None:
            prepare.identify(kind, new, key.namespace, key.name, named=True)
            return self._create(kind, new, options, managed_already=True), True
        return self._update(kind, live, new, options, managed_already=True), False

    def delete(self, kind: Kind, key: ObjectKey, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete; returns the last state, and whether the object has gone.

        It has not while finalizers or a grace period hold it. Raises ApiError: 404, 409 for a
        precondition, and what admission raises.
        """
        live = self.get(kind, key)
        resource = kind.collection
        if options.uid and options.uid != uid_of(live):
            raise prepare.precondition(resource, key.name, "UID", options.uid, uid_of(live))
        version = live["metadata"]["resourceVersion"]
        if options.resource_version and options.resource_version != version:
            raise prepare.precondition(
                resource, key.name, "ResourceVersion", options.resource_version, version
            )
        self._admitted(kind, "DELETE", live, live)
        if options.dry_run:
            return live, True
        return self._garbage.delete(kind, live, options)

    def delete_collection(
        self,
        kind: Kind,
        namespace: str,
        options: DeleteOptions,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Page:
        """Delete what matches; returns what it was. Raises ApiError as `delete` and `list` do."""
        page = self.list(
            kind, namespace, label_selector=label_selector, field_selector=field_selector
        )
        for obj in page.objects():
            try:
                self.delete(kind, key_of(obj), options)
            except ApiError as error:
                if error.code != 404:  # collected with its owner
                    raise
        return page

    def _admitted(self, kind: Kind, operation: Operation, new: Object, old: Object | None) -> None:
        for admit in self.admit:
            admit(kind, operation, new, old)

    def _rules_of(self, kind: Kind) -> KindRules:
        rules = self._rules.get(kind.gvk)
        if rules is None or rules.kind is not kind:  # a custom kind may be defined anew
            rules = self._rules[kind.gvk] = KindRules(kind)
        return rules
