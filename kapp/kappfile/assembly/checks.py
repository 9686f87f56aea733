"""Checks across finished resources: dependencies and local ports."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kapp.kappfile.assembly.declarations import DeclaredLocal, ResourceOptions
from kapp.kappfile.errors import Frame, KappfileError
from kapp.kappfile.model import UNCATEGORIZED, KappfileWarning, KubernetesResource, LocalResource
from kapp.kappfile.suggest import did_you_mean


def check_dependencies(
    resources: Sequence[KubernetesResource | LocalResource],
    options: Sequence[ResourceOptions | DeclaredLocal],
) -> list[KappfileWarning]:
    """Unknown dependencies are warnings, as in Tilt; a cycle raises KappfileError."""
    deps = {resource.name: resource.resource_deps for resource in resources}
    warnings = []
    for resource in resources:
        for name in resource.resource_deps:
            if name not in deps:
                frames = _frames_of(name, options)
                hint = did_you_mean(name, deps)
                warnings.append(
                    KappfileWarning(
                        f"`{resource.name}` depends on `{name}`, which is no resource"
                        + (f" ({hint})" if hint else ""),
                        str(frames[-1]) if frames else "",
                    )
                )
    cycle = _cycle(deps)
    if cycle:
        error = KappfileError(
            "k8s_resource: resources depend on each other in a circle: "
            + " → ".join(f"`{name}`" for name in cycle)
        )
        error.located(_frames_of(cycle[1], options))
        raise error
    return warnings


def _frames_of(
    dependency: str, options: Sequence[ResourceOptions | DeclaredLocal]
) -> Sequence[Frame]:
    """Where a dependency was written."""
    return next((call.frames for call in options if dependency in call.resource_deps), ())


def _cycle(deps: dict[str, tuple[str, ...]]) -> list[str]:
    """One cycle, its first name repeated at the end; empty if there is none."""
    done: set[str] = set()
    for start in deps:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, iter(deps[start]))] if start not in done else []
        if stack:
            path, on_path = [start], {start}
        while stack:
            name, rest = stack[-1]
            following = next((d for d in rest if d in deps and d not in done), None)
            if following is None:
                stack.pop()
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif following in on_path:
                return [*path[path.index(following) :], following]
            else:
                stack.append((following, iter(deps[following])))
                path.append(following)
                on_path.add(following)
    return []


def check_names(declared: Sequence[DeclaredLocal], others: Collection[str]) -> None:
    """Local resources share their names with no other resource, or KappfileError is raised."""
    seen: dict[str, str] = {}
    for one in declared:
        name = one.resource.name
        where = seen.get(name, "")
        if where or name in others or name == UNCATEGORIZED:
            error = KappfileError(
                f"local_resource: there is already a resource `{name}`"
                + (f", declared at {where}" if where else ""),
                hint="give it another name",
            )
            error.located(one.frames)
            raise error
        seen[name] = one.resource.location


def check_ports(resources: Sequence[KubernetesResource]) -> list[KappfileWarning]:
    """Two resources cannot listen on the same local port; the later one would fail."""
    owners: dict[tuple[str, int], str] = {}
    warnings = []
    for resource in resources:
        for forward in resource.port_forwards:
            key = (forward.host, forward.local_port)
            owner = owners.setdefault(key, resource.name)
            if owner != resource.name and forward.local_port:
                warnings.append(
                    KappfileWarning(
                        f"port {forward.local_port} on {forward.host} is forwarded to both "
                        f"`{owner}` and `{resource.name}`"
                    )
                )
    return warnings
