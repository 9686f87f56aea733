"""Makes resources of declarations, as Tilt does (internal/tiltfile/tiltfile_state.go).

1. Every workload becomes a resource, named as shortly as is unique, and takes the Services that
   select it.
2. `k8s_resource` calls, in order, add to resources, claim objects, rename, or form new groups.
3. `port_forward` statements add forwards, wherever in the file they stand.
4. What nobody claimed becomes `uncategorized`.

Pure: called by `kapp.kappfile.evaluate` at the end of an evaluation.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from kapp.kappfile.assembly.checks import check_dependencies, check_names, check_ports
from kapp.kappfile.assembly.declarations import (
    Attachment,
    CustomDeploy,
    Declarations,
    DeclaredObject,
    KindRule,
    ResourceOptions,
)
from kapp.kappfile.assembly.names import given_names, matches, unique_names
from kapp.kappfile.assembly.workloads import LabelIndex, duplicates, is_workload, kind_rule
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.manifests import join
from kapp.kappfile.model import (
    UNCATEGORIZED,
    KappfileWarning,
    KubernetesResource,
    Link,
    LocalResource,
    PodReadiness,
    PortForward,
)
from kapp.kappfile.suggest import did_you_mean, listing
from kapp.machinery.objects import Object, metadata_of

_T = TypeVar("_T")


class _Draft(msgspec.Struct):
    """A resource in the making; `objects` are indexes, so that source order can be restored."""

    name: str
    objects: list[int] = msgspec.field(default_factory=list)
    manual: bool = False
    options: list[ResourceOptions] = msgspec.field(default_factory=list)
    forwards: list[PortForward] = msgspec.field(default_factory=list)
    custom: CustomDeploy | None = None
    attachment: Attachment | None = None


class Assembly(msgspec.Struct):
    """The resources, and what is worth a warning."""

    resources: tuple[KubernetesResource, ...]
    local_resources: tuple[LocalResource, ...]
    warnings: list[KappfileWarning]


def assemble(declared: Declarations, *, namespace: str = "") -> Assembly:
    """All resources of a Kappfile. Raises KappfileError with the frames of the call at fault.

    `namespace`: where objects go that name none.
    """
    check_duplicates(declared.objects, namespace)
    return _Assembler(declared).run()


def check_duplicates(objects: list[DeclaredObject], default_namespace: str) -> None:
    """The same object twice is an error unless the later call allows it."""
    for (_, kind, namespace, name), indexes in duplicates(
        [declared.manifest.object for declared in objects], default_namespace
    ).items():
        for index in indexes[1:]:
            second, first = objects[index], objects[indexes[0]]
            if second.allow_duplicates:
                continue
            named = any(
                metadata_of(one.manifest.object).get("namespace") for one in (first, second)
            )
            where = f" in namespace {namespace}" if named else ""
            error = KappfileError(
                f"k8s_yaml: {kind} `{name}`{where} at {second.manifest.location} is declared "
                f"already: {first.manifest.location}",
                hint="remove one, or pass allow_duplicates=True",
            )
            error.located(second.frames)
            raise error


class _Assembler:
    def __init__(self, declared: Declarations) -> None:
        self._declared = declared
        self._objects = [item.manifest.object for item in declared.objects]
        self._drafts: dict[str, _Draft] = {}
        self._owner: dict[int, _Draft] = {}
        self._renamed: dict[str, str] = {}

    def run(self) -> Assembly:
        self._group_workloads()
        self._add_custom_deploys()
        self._add_attachments()
        for options in self._declared.options:
            try:
                self._apply(options)
            except KappfileError as error:
                error.message = f"k8s_resource: {error.message}"
                error.located(options.frames)
                raise
        self._add_port_forwards()
        self._collect_rest()
        resources = tuple(self._finish(draft) for draft in self._drafts.values())
        declared = self._declared
        check_names(declared.local_resources, self._drafts)
        local = tuple(
            msgspec.structs.replace(
                one.resource, trigger_mode=one.trigger_mode or declared.trigger_mode or "auto"
            )
            for one in declared.local_resources
        )
        warnings = check_dependencies(
            [*local, *resources], [*declared.options, *declared.local_resources]
        )
        return Assembly(resources, local, warnings + check_ports(resources))

    def _add_custom_deploys(self) -> None:
        for one in self._declared.custom_deploys:
            self._check_free_for("k8s_custom_deploy", one)
            self._drafts[one.name] = _Draft(one.name, custom=one)

    def _add_attachments(self) -> None:
        for one in self._declared.attachments:
            self._check_free_for("k8s_attach", one)
            self._drafts[one.name] = _Draft(one.name, attachment=one)

    def _check_free_for(self, builtin: str, call: CustomDeploy | Attachment) -> None:
        try:
            self._check_free(call.name)
        except KappfileError as error:
            error.message = f"{builtin}: {error.message}"
            error.hint = "give it another name"
            error.located(call.frames)
            raise

    def _group_workloads(self) -> None:
        rules = self._declared.kinds
        workloads = [i for i, obj in enumerate(self._objects) if is_workload(obj, rules)]
        names = self._names_of([self._objects[index] for index in workloads])
        for index, name in zip(workloads, names, strict=True):
            draft = self._drafts[name] = _Draft(name)
            self._claim(draft, index)
        index_of = LabelIndex([self._objects[index] for index in workloads])
        for service, obj in enumerate(self._objects):
            position = index_of.first_selected_by(obj)
            if position is not None and service not in self._owner:
                self._claim(self._owner[workloads[position]], service)

    def _names_of(self, workloads: list[Object]) -> list[str]:
        naming = self._declared.naming
        if naming is None:
            return unique_names(workloads)
        try:
            return given_names(workloads, naming)
        except KappfileError as error:
            if not error.frames:
                error.message = f"workload_to_resource_function: {error.message}"
                error.located(naming.frames)
            raise

    def _claim(self, draft: _Draft, index: int) -> None:
        draft.objects.append(index)
        self._owner[index] = draft

    def _apply(self, options: ResourceOptions) -> None:
        draft = self._draft_for(options)
        draft.options.append(options)
        if options.new_name and options.new_name != draft.name:
            self._rename(draft, options.new_name)
        for fragment in options.objects:
            self._claim(draft, self._find(fragment))

    def _draft_for(self, options: ResourceOptions) -> _Draft:
        if options.workload:
            return self._known(options.workload)
        if not options.objects:
            raise KappfileError(
                "needs a workload, or objects with a new_name",
                hint=f"known resources: {listing(self._drafts)}",
            )
        if not options.new_name:
            raise KappfileError("objects without a workload need a new_name")
        self._check_free(options.new_name)
        draft = self._drafts[options.new_name] = _Draft(options.new_name, manual=True)
        return draft

    def _known(self, name: str) -> _Draft:
        draft = self._drafts.get(name)
        if draft is not None:
            return draft
        if name in self._renamed:
            raise KappfileError(
                f"`{name}` was renamed to `{self._renamed[name]}`",
                hint="after new_name, only the new name works",
            )
        raise KappfileError(
            f"there is no resource `{name}`; known resources: {listing(self._drafts)}",
            hint=did_you_mean(name, self._drafts) or "workloads become resources by k8s_yaml",
        )

    def _check_free(self, name: str) -> None:
        if name in self._drafts or name == UNCATEGORIZED:
            raise KappfileError(f"there is already a resource `{name}`")

    def _rename(self, draft: _Draft, name: str) -> None:
        self._check_free(name)
        self._renamed[draft.name] = name
        self._renamed.pop(name, None)
        self._drafts = {
            (name if other is draft else key): other for key, other in self._drafts.items()
        }
        draft.name = name

    def _find(self, fragment: str) -> int:
        free = [i for i in range(len(self._objects)) if i not in self._owner]
        found = [i for i in free if matches(fragment, self._objects[i])]
        if len(found) == 1:
            return found[0]
        if found:
            names = unique_names([self._objects[i] for i in found], min_parts=2)
            raise KappfileError(
                f"objects: `{fragment}` names several objects: {listing(names)}",
                hint="write one of these",
            )
        for index, owner in self._owner.items():
            if matches(fragment, self._objects[index]):
                raise KappfileError(
                    f"objects: `{fragment}` belongs to the resource `{owner.name}` already"
                )
        names = unique_names([self._objects[i] for i in free], min_parts=2)
        raise KappfileError(
            f"objects: nothing is named `{fragment}`; objects not in a resource yet: "
            f"{listing(names)}",
            hint=did_you_mean(fragment, [part for name in names for part in (name, _first(name))]),
        )

    def _add_port_forwards(self) -> None:
        for statement in self._declared.port_forwards:
            try:
                self._known(statement.resource).forwards.append(statement.forward)
            except KappfileError as error:
                error.message = f"port_forward: {error.message}"
                error.located(statement.frames)
                raise

    def _collect_rest(self) -> None:
        rest = [i for i in range(len(self._objects)) if i not in self._owner]
        if rest:
            self._drafts[UNCATEGORIZED] = _Draft(UNCATEGORIZED, rest, manual=True)

    def _finish(self, draft: _Draft) -> KubernetesResource:
        members = [self._declared.objects[index] for index in sorted(draft.objects)]
        resource = KubernetesResource(
            name=draft.name,
            objects=tuple(member.manifest.object for member in members),
            yaml=join([member.manifest for member in members]),
            trigger_mode=self._declared.trigger_mode or "auto",
            apply_cmd=draft.custom.apply_cmd if draft.custom else None,
            delete_cmd=draft.custom.delete_cmd if draft.custom else None,
            deps=draft.custom.deps if draft.custom else (),
            attach=draft.attachment.attach if draft.attachment else None,
            location=str(members[0].frames[-1]) if members and members[0].frames else "",
        )
        resource = _with_options(resource, draft.options)
        return msgspec.structs.replace(
            resource,
            port_forwards=_unique([*resource.port_forwards, *draft.forwards]),
            pod_readiness=_readiness(draft, resource, self._declared.kinds),
        )


def _with_options(resource: KubernetesResource, calls: list[ResourceOptions]) -> KubernetesResource:
    """Lists are appended call by call; of single values the last call that says one wins."""
    forwards: list[PortForward] = []
    links: list[Link] = []
    labels: dict[str, None] = {}
    deps: dict[str, None] = {}
    selectors: list[dict[str, str]] = []
    changes: dict[str, Any] = {}
    for call in calls:
        forwards += call.port_forwards
        links += call.links
        labels |= dict.fromkeys(call.labels)
        deps |= dict.fromkeys(call.resource_deps)
        selectors += call.extra_pod_selectors
        for name in ("trigger_mode", "auto_init", "discovery_strategy"):
            if getattr(call, name) is not None:
                changes[name] = getattr(call, name)
        for name in ("only_containers", "ignore_containers"):
            if (names := getattr(call, name)) is not None:
                changes[name] = (*(changes.get(name) or ()), *names)
    return msgspec.structs.replace(
        resource,
        port_forwards=tuple(forwards),
        links=_unique(links),
        labels=tuple(labels),
        resource_deps=tuple(deps),
        extra_pod_selectors=tuple(selectors),
        **changes,
    )


def _unique(values: list[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _readiness(draft: _Draft, resource: KubernetesResource, rules: list[KindRule]) -> PodReadiness:
    """`k8s_resource` > `k8s_kind` > a manual group without selectors runs no pods > wait."""
    for call in reversed(draft.options):
        if call.pod_readiness is not None:
            return call.pod_readiness
    for obj in resource.objects:
        rule = kind_rule(obj, rules)
        if rule is not None and rule.pod_readiness is not None:
            return rule.pod_readiness
    if draft.manual and not resource.extra_pod_selectors:
        return "ignore"
    return "wait"


def _first(name: str) -> str:
    return name.partition(":")[0]
