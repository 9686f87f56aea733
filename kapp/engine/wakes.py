"""Which changes of an object matter to a controller, and whose keys they concern. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kapp.api.typed import owner_name
from kapp.api.v1alpha1.meta import TypedObject
from kapp.kappfile.model import UNCATEGORIZED
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    find_condition,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
)

KeysOf = Callable[[Object], Iterable[ObjectKey]]


def spec_changed(new: Object, old: Object | None) -> bool:
    """Whether more than the status changed: its reconciler wrote that itself."""
    return old is None or _wishes(new) != _wishes(old)


def _wishes(obj: Object) -> tuple[object, ...]:
    meta = metadata_of(obj)
    parts = (meta.get(name) for name in ("uid", "generation", "labels", "annotations"))
    return (*parts, is_deleting(obj))


def status_changed(new: Object, old: Object | None) -> bool:
    """Whether the status changed."""
    return old is None or new.get("status") != old.get("status")


def apply_changed(new: Object, old: Object | None) -> bool:
    """Whether a KubernetesApply wants something else, or stands otherwise to what it wants."""
    return spec_changed(new, old) or old is None or _standing(new) != _standing(old)


def _standing(obj: Object) -> tuple[object, ...]:
    status = obj.get("status") or {}
    applied = find_condition(status.get("conditions"), "Applied") or {}
    disabled = (status.get("disableStatus") or {}).get("disabled")
    return status.get("observedGeneration"), applied.get("reason"), disabled


def predecessor_changed(new: Object, old: Object | None) -> bool:
    """Whether it is the KubernetesApply that goes before all others, and `apply_changed`."""
    return name_of(new) == UNCATEGORIZED and apply_changed(new, old)


def ever_ready_changed(new: Object, old: Object | None) -> bool:
    """Whether a UIResource became ready for the first time, is so no more, or was switched."""
    return old is None or _ever_ready(new) != _ever_ready(old)


def _ever_ready(obj: Object) -> tuple[bool, bool]:
    status = obj.get("status") or {}
    return bool(status.get("everReady")), bool((status.get("disableStatus") or {}).get("disabled"))


def connection_changed(new: Object, old: Object | None) -> bool:
    """Whether a Cluster began or ceased to answer, or is another one, connected at another time."""
    return spec_changed(new, old) or old is None or _connected(new) != _connected(old)


def _connected(obj: Object) -> tuple[str, bool]:
    status = obj.get("status") or {}
    return str(status.get("connectedAt") or ""), bool(status.get("error"))


def allowed_contexts_changed(new: Object, old: Object | None) -> bool:
    """Whether a Kappfile allows other contexts than before."""
    return old is None or _allowed(new) != _allowed(old)


def _allowed(obj: Object) -> object:
    return (obj.get("status") or {}).get("allowedContexts")


def owner_key(owner: type[TypedObject]) -> KeysOf:
    """The key of the `owner` that manages an object."""

    def keys(obj: Object) -> Iterable[ObjectKey]:
        name = owner_name(obj, owner)
        return (ObjectKey("", name),) if name else ()

    return keys


def lost(get: Callable[[ObjectKey], Object | None], owner: type[TypedObject]) -> KeysOf:
    """The key of the `owner` of an object that is gone; `get` finds those that are there."""
    of_owner = owner_key(owner)

    def keys(obj: Object) -> Iterable[ObjectKey]:
        return of_owner(obj) if get(key_of(obj)) is None else ()

    return keys


def all_of(others: Callable[[], Iterable[Object]]) -> KeysOf:
    """The keys of all `others`."""
    return lambda _obj: [key_of(other) for other in others()]


def referring(
    others: Callable[[], Iterable[Object]], names: Callable[[Object], Iterable[str]]
) -> KeysOf:
    """The keys of those among `others` that name an object; `names` gives what each names."""

    def keys(obj: Object) -> Iterable[ObjectKey]:
        name = name_of(obj)
        return [key_of(other) for other in others() if name in names(other)]

    return keys


def disabling_config_maps(obj: Object) -> Iterable[str]:
    """The ConfigMaps that an object's disableSource names."""
    source = _spec(obj).get("disableSource") or {}
    entries = [source.get("configMap"), *(source.get("everyConfigMap") or ())]
    return [entry["name"] for entry in entries if entry]


def dependencies(obj: Object) -> Iterable[str]:
    """The resources that a KubernetesApply waits for."""
    return _spec(obj).get("resourceDeps") or ()


def predecessors(obj: Object) -> Iterable[str]:
    """The KubernetesApply that goes before the first apply of another."""
    return () if (obj.get("status") or {}).get("appliedInputHash") else (UNCATEGORIZED,)


def restarting_watches(obj: Object) -> Iterable[str]:
    """The FileWatches that an object restarts on."""
    return (_spec(obj).get("restartOn") or {}).get("fileWatches") or ()


def run_before(obj: Object) -> Iterable[str]:
    """The Cmd that another runs after."""
    return (str(_spec(obj).get("runAfter") or ""),)


def starting_watches(obj: Object) -> Iterable[str]:
    """The FileWatches that an object starts or restarts on."""
    start = (_spec(obj).get("startOn") or {}).get("fileWatches") or ()
    return [*restarting_watches(obj), *start]


def cluster_name(obj: Object) -> Iterable[str]:
    """The Cluster that an object is for."""
    return (str(_spec(obj).get("cluster") or ""),)


def discovery_name(obj: Object) -> Iterable[str]:
    """The KubernetesDiscovery that a PortForward follows."""
    return (str(_spec(obj).get("discovery") or ""),)


def _spec(obj: Object) -> Object:
    spec = obj.get("spec")
    return spec if isinstance(spec, dict) else {}
