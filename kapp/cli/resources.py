"""The running engine's resources by name, for the commands that act on some of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from kapp.cli.engines import request
from kapp.errors import KappError
from kapp.instance import Instance

API = "/apis/kapp.dev/v1alpha1"
MERGE_PATCH = "application/merge-patch+json"
KAPPFILE = "(Kappfile)"
"""The resource that stands for the Kappfile itself."""


def resources_of(instance: Instance, selector: str = "") -> list[dict[str, Any]]:
    """All resources as the engine shows them, in the order of the Kappfile; raises KappError."""
    query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
    with request(instance, "GET", f"{API}/uiresources{query}") as response:
        items: list[dict[str, Any]] = json.load(response)["items"]
    return sorted(items, key=lambda one: (one.get("spec") or {}).get("order") or 0)


def name_of(resource: dict[str, Any]) -> str:
    """A resource's name."""
    return str(resource["metadata"]["name"])


def switch_of(name: str) -> str:
    """The ConfigMap that says whether a resource is disabled."""
    return f"{name}-disable"


def disabled_switches(instance: Instance) -> set[str]:
    """The ConfigMaps that disable a resource now, its status following a moment later."""
    with request(instance, "GET", f"{API}/configmaps") as response:
        items = json.load(response)["items"]
    return {name_of(one) for one in items if (one.get("data") or {}).get("isDisabled") == "true"}


def unknown(names: Sequence[str], known: Sequence[str]) -> KappError:
    """What is said of names that are no resources."""
    missing = [name for name in names if name not in known]
    near = difflib.get_close_matches(missing[0], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return KappError(f"there is no resource {', '.join(missing)}", hint=hint)


def patch(instance: Instance, plural: str, name: str, changes: dict[str, Any]) -> bool:
    """Merge `changes` into an object of kapp's API; False if there is none of that name."""
    path = f"{API}/{plural}/{quote(name, safe='')}"
    with request(
        instance, "PATCH", path, changes, content_type=MERGE_PATCH, allowed=(HTTPStatus.NOT_FOUND,)
    ) as response:
        return response.status != HTTPStatus.NOT_FOUND
