"""Which custom kinds are served at present: keeps a server's scheme up to date."""

from __future__ import annotations

from kapp.machinery.objects import Object, is_deleting, name_of
from kapp.machinery.registry import Operation, Registry
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError
from kapp.minicluster.customresources.kinds import kinds_of

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


class CustomKinds:
    """The custom kinds of one registry; also an admission hook, see `Admit`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._served: dict[str, list[Kind]] = {}
        self._definitions: dict[str, object] = {}
        self._ending: set[str] = set()

    def __call__(self, kind: Kind, operation: Operation, new: Object, old: Object | None) -> None:
        """Refuse new objects of a kind whose definition is being deleted. Raises ApiError.

        A definition that is deleted gets a finalizer: its objects go before it. Source:
        apiextensions-apiserver/pkg/registry/customresourcedefinition/etcd.go.
        """
        if operation == "DELETE" and kind.resource.group_resource == DEFINITIONS:
            finalizers = new["metadata"].setdefault("finalizers", [])
            if FINALIZER not in finalizers and not is_deleting(new):
                finalizers.append(FINALIZER)
        if operation == "CREATE" and kind.resource.group_resource in self._ending:
            raise ApiError(
                405,
                "MethodNotAllowed",
                "create not allowed while custom resource definition is terminating",
            )

    def of(self, name: str) -> list[Kind]:
        """The kinds of a definition that are served."""
        return self._served.get(name, [])

    def names_in(self, group: str) -> tuple[set[str], set[str]]:
        """Names of resources, and of kinds, that no definition of `group` may take."""
        custom = {kind.gvk for kinds in self._served.values() for kind in kinds}
        built_in = [k for k in self._registry.scheme if k.group == group and k.gvk not in custom]
        resources = {name for k in built_in for name in (k.plural, k.singular_name, *k.short_names)}
        return resources, {name for k in built_in for name in (k.kind, f"{k.kind}List")}

    def serve(self, definition: Object) -> None:
        """Serve the kinds of an accepted definition, in place of those it had before."""
        name = name_of(definition)
        if is_deleting(definition):
            self._ending.add(name)
        says = (definition["spec"], (definition.get("status") or {}).get("acceptedNames"))
        if self._definitions.get(name) == says:
            return
        self._definitions[name] = says
        self._unregister(name)
        self._served[name] = kinds = kinds_of(definition)
        for kind in kinds:
            self._registry.scheme.register(kind)

    def forget(self, name: str) -> None:
        """Serve the kinds of a definition no more; watches end."""
        self._unregister(name)
        self._ending.discard(name)
        self._definitions.pop(name, None)
        if self._served.pop(name, None):
            self._registry.store.close_watches(name)

    def restore(self) -> None:
        """Serve what was served when the store was written."""
        for _, entry in self._registry.store.list(DEFINITIONS):
            definition = entry.object()
            if is_established(definition):
                self.serve(definition)

    def remaining(self, name: str) -> list[Object]:
        """The custom objects of a definition that are there, deleted ones that stay included."""
        return [entry.object() for _, entry in self._registry.store.list(name)]

    def _unregister(self, name: str) -> None:
        for kind in self._served.get(name, ()):
            self._registry.scheme.unregister(kind.gvk)


def is_established(definition: Object) -> bool:
    """Whether the kinds of a definition are served."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
