"""CustomResourceDefinitions: accept their names, serve them, and delete their objects at the end.

Source: apiextensions-apiserver/pkg/controller/status/naming_controller.go,
pkg/controller/establish/establishing_controller.go and pkg/controller/finalizer/crd_finalizer.go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    find_condition,
    format_time,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.customresources.serving import FINALIZER, CustomKinds, is_established
from kapp.minicluster.resources import DEFINITIONS
from kapp.runtime.client import Client
from kapp.runtime.reflector import Reflector

_FIRST_LOOK_S = 0.1
_LAST_LOOK_S = 10.0
"""Objects with finalizers take a while to go; looks grow rarer, for some never do."""

_NAME_REASONS = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}


class DefinitionReconciler:
    """Looks after one CustomResourceDefinition. One worker only: names are judged in order.

    Args:
        client: the cluster.
        definitions: all of them.
        kinds: what is served.
        wake: asks for another definition to be looked at.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        definitions: Reflector,
        kinds: CustomKinds,
        wake: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._definitions = definitions
        self._kinds = kinds
        self._wake = wake
        self._now = now
        self._looks_s: dict[str, float] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Accept, serve, or end; comes back while custom objects remain of a deleted one."""
        try:
            definition = await self._client.get(DEFINITIONS, key.name)
        except ApiError as e:
            if e.code != 404:
                raise
            self._looks_s.pop(key.name, None)
            self._kinds.forget(key.name)
            self._wake_others(key)
            return None
        if is_deleting(definition):
            return await self._end(definition)
        await self._accept(definition)
        return None

    def _wake_others(self, key: ObjectKey) -> None:
        """A name may have become free."""
        group = key.name.partition(".")[2]
        for other in self._definitions.list():
            if other["spec"].get("group") == group and key_of(other) != key:
                self._wake(key_of(other))

    async def _accept(self, definition: Object) -> None:
        status: dict[str, Any] = {**(definition.get("status") or {})}
        conditions = [dict(c) for c in status.get("conditions") or ()]
        status["acceptedNames"], problem = self._names(definition)
        if problem is None:
            accepted = ("True", "NoConflicts", "no conflicts found")
        else:
            accepted = ("False", *problem)
        self._set(conditions, "NamesAccepted", *accepted)
        if problem is None:
            message = "the initial names have been accepted"
            self._set(conditions, "Established", "True", "InitialNamesAccepted", message)
        elif find_condition(conditions, "Established") is None:
            message = "not all names are accepted"
            self._set(conditions, "Established", "False", "NotAccepted", message)
        status["conditions"] = conditions
        wanted = {**definition, "status": status}
        if is_established(wanted):
            # Served before it is said: whoever waits for the condition may use the kind at once.
            self._kinds.serve(wanted)
        if status != definition.get("status"):
            if await self._write(wanted) is not None:
                self._wake_others(key_of(definition))

    def _names(self, definition: Object) -> tuple[dict[str, Any], tuple[str, str] | None]:
        """The names it may use, and the reason and message of the last one that it may not."""
        wanted = definition["spec"]["names"]
        accepted: dict[str, Any] = {**((definition.get("status") or {}).get("acceptedNames") or {})}
        resources, kinds = self._taken(definition)
        problem = None
        for field, reason in _NAME_REASONS.items():
            taken = kinds if field in ("kind", "listKind") else resources
            names = wanted.get(field) or []
            names = names if isinstance(names, list) else [names]
            had = accepted.get(field) or []
            had = had if isinstance(had, list) else [had]
            clashes = [f'"{n}" is already in use' for n in names if n in taken and n not in had]
            if clashes:
                text = clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]"
                problem = (reason, text)
            elif field in wanted:
                accepted[field] = wanted[field]
            else:
                accepted.pop(field, None)
        accepted.pop("categories", None)
        if "categories" in wanted:
            accepted["categories"] = wanted["categories"]
        return accepted, problem

    def _taken(self, definition: Object) -> tuple[set[str], set[str]]:
        group = definition["spec"]["group"]
        resources, kinds = self._kinds.names_in(group)
        for other in self._definitions.list():
            if other["spec"]["group"] != group or uid_of(other) == uid_of(definition):
                continue
            names = (other.get("status") or {}).get("acceptedNames") or {}
            taken = (names.get("plural"), names.get("singular"), *names.get("shortNames", ()))
            resources |= {name for name in taken if name}
            kinds |= {name for name in (names.get("kind"), names.get("listKind")) if name}
        return resources, kinds

    def _set(
        self,
        conditions: list[dict[str, Any]],
        kind: str,
        status: str,
        reason: str,
        message: str,
    ) -> None:
        """Set a condition. Source: SetCRDCondition in pkg/apihelpers/helpers.go."""
        old = find_condition(conditions, kind)
        moved = old is None or old.get("status") != status
        time = format_time(self._now()) if moved or old is None else old["lastTransitionTime"]
        new = {
            "lastTransitionTime": time,
            "message": message,
            "reason": reason,
            "status": status,
            "type": kind,
        }
        if not moved and old is not None and old.get("reason") == reason:
            return
        if old is None:
            conditions.append(new)
        else:
            conditions[conditions.index(dict(old))] = new

    async def _end(self, definition: Object) -> float | None:
        """Delete the custom objects, and let the definition go when they have gone."""
        name = name_of(definition)
        if FINALIZER not in (metadata_of(definition).get("finalizers") or ()):
            return None
        reason, message = "NeverEstablished", "resource was never established"
        if is_established(definition):
            self._kinds.serve(definition)
            if await self._delete_objects(name):
                await self._tell(
                    definition,
                    "True",
                    "InstanceDeletionInProgress",
                    "CustomResource deletion is in progress",
                )
                look_s = self._looks_s.get(name, _FIRST_LOOK_S)
                self._looks_s[name] = min(2 * look_s, _LAST_LOOK_S)
                return look_s
            reason, message = "InstanceDeletionCompleted", "removed all instances"
        told = await self._tell(definition, "False", reason, message)
        if told is not None:
            await self._let_go(told)
        return None

    async def _delete_objects(self, name: str) -> bool:
        """Delete what is there; whether some of it stays."""
        kind = next(iter(self._kinds.of(name)), None)
        for obj in self._kinds.remaining(name) if kind is not None else ():
            if kind is None or is_deleting(obj):
                continue
            key = key_of(obj)
            try:
                await self._client.delete(kind.resource, key.name, key.namespace)
            except ApiError as e:
                if e.code != 404:
                    raise
        return bool(self._kinds.remaining(name))

    async def _tell(
        self, definition: Object, status: str, reason: str, message: str
    ) -> Object | None:
        state: dict[str, Any] = {**(definition.get("status") or {})}
        conditions = [dict(c) for c in state.get("conditions") or ()]
        self._set(conditions, "Terminating", status, reason, message)
        if conditions == state.get("conditions"):
            return definition
        return await self._write({**definition, "status": {**state, "conditions": conditions}})

    async def _write(self, definition: Object) -> Object | None:
        """Write the status; None if the definition changed or went: its event wakes this again."""
        try:
            return await self._client.update(DEFINITIONS, definition, subresource="status")
        except ApiError as e:
            if e.code in (404, 409):
                return None
            raise

    async def _let_go(self, definition: Object) -> None:
        finalizers = metadata_of(definition).get("finalizers") or []
        metadata_of(definition)["finalizers"] = [f for f in finalizers if f != FINALIZER]
        try:
            await self._client.update(DEFINITIONS, definition)
        except ApiError as e:
            if e.code not in (404, 409):
                raise
