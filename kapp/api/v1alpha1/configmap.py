"""ConfigMap: strings by name, such as whether a resource is disabled."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kapp.api.define import define
from kapp.api.v1alpha1.meta import TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind


class ConfigMap(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """Strings by name.

    Attributes:
        data: The strings.
    """

    KIND: ClassVar[str] = "ConfigMap"
    PLURAL: ClassVar[str] = "configmaps"

    data: dict[str, str] = msgspec.field(default_factory=dict)


def _data(obj: Object, _now: Any) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((obj.get("data") or {}).items()))


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        ConfigMap,
        short_names=("cm",),
        columns=(Column("Data", _data, description="The strings."),),
        has_status=False,
    )
