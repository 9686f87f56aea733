"""What kapp's kinds have in common: metadata, conditions, times, references.

The structs are views: they hold what kapp's controllers read and write. Unknown fields are left to
the schema (`kapp.api.schema`), which the server checks requests against.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec

GROUP = "kapp.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

RESOURCE_ANNOTATION = "kapp.dev/resource"
"""On every object of the engine: the Kappfile's resource that it belongs to."""

Time: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339 in UTC with seconds or microseconds; "" stands for "never" and is not written."""

Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]
"""A TCP port."""


class OwnerReference(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, frozen=True):
    """Names an object that this one is deleted with."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The part of `metadata` that kapp's controllers use."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time = ""
    deletion_timestamp: Time = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    finalizers: list[str] = []


class TypedObject(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The base of every kind; a subclass adds `spec` and `status`."""

    KIND: ClassVar[str] = ""
    PLURAL: ClassVar[str] = ""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.metadata.name


class Condition(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One aspect of an object's state, by the Kubernetes convention.

    Attributes:
        type: Name of the condition, in CamelCase.
        status: One of True, False, Unknown.
        reason: One word in CamelCase that says why.
        message: A sentence for people.
        last_transition_time: When the status last changed.
    """

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: Time = ""


class LabelSelector(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Selects objects by their labels, as in Kubernetes.

    Attributes:
        match_labels: Labels that an object must have.
        match_expressions: Further requirements, each with key, operator and values.
    """

    match_labels: dict[str, str] = {}
    match_expressions: list[dict[str, Any]] = []


class RestartOn(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What makes an object do its work again, besides a change of its spec.

    Attributes:
        file_watches: Names of FileWatches; an event of one of them is a reason.
    """

    file_watches: list[str] = []


class ConfigMapDisableSource(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A key of a ConfigMap that holds "true" while something is disabled.

    Attributes:
        name: Name of the ConfigMap.
        key: The key in its data.
    """

    name: str
    key: str


class DisableSource(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Where to read whether an object is disabled.

    Attributes:
        config_map: Disabled while this key says "true".
        every_config_map: Disabled while all of these keys say "true".
    """

    config_map: ConfigMapDisableSource | None = None
    every_config_map: list[ConfigMapDisableSource] = []


class DisableStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Whether an object is disabled, and since when.

    Attributes:
        disabled: Whether it is disabled; it then does nothing and holds nothing.
        reason: A sentence for people.
        state: One of Enabled, Disabled, Pending, Error.
        last_update_time: When the state last changed.
    """

    disabled: bool
    reason: str = ""
    state: str = ""
    last_update_time: Time = ""
