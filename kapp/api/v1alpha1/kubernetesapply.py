"""KubernetesApply: objects that the cluster is kept in line with, and how that goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from kapp.api.define import define
from kapp.api.durations import parse_duration
from kapp.api.schema import defaulted
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscoveryTemplateSpec
from kapp.api.v1alpha1.meta import (
    Condition,
    DisableSource,
    DisableStatus,
    RestartOn,
    Time,
    TypedObject,
)
from kapp.api.v1alpha1.podlogstream import PodLogStreamTemplateSpec
from kapp.api.v1alpha1.portforward import PortForwardTemplateSpec, check_forwards
from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, find_condition
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

APPLIED = "Applied"
"""The condition: the newest input is applied. Its reason is one of the next five."""

REASON_APPLIED = "Applied"
REASON_APPLYING = "Applying"
REASON_PENDING = "Pending"
REASON_RETRYING = "Retrying"
REASON_ERROR = "Error"

READY = "Ready"
"""The condition: everything applied is running and ready."""

TRIGGER_ANNOTATION = "kapp.dev/trigger"
"""Any new value applies again, and restarts what runs (`kapp trigger`)."""

FORCE_ANNOTATION = "kapp.dev/trigger-force"
"""The value of the trigger annotation for which objects are deleted and created again."""

# What fits beside the other columns on a terminal; the whole text is in status.error.
_SHORT_REASON_CHARS = 60


class KubernetesApplyCmd(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A command that applies or deletes objects by itself.

    Attributes:
        args: The program and its arguments.
        dir: Working directory, an absolute path.
        env: Variables added to the environment, each `NAME=value`.
    """

    args: list[str]
    dir: str = ""
    env: list[str] = []


class KubernetesAttach(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """An object that others deployed.

    Attributes:
        api_version: Its API version.
        kind: Its kind, such as Deployment; a Service stands for the pods that it selects.
        name: Its name.
        namespace: Its namespace; empty for the Cluster's.
    """

    api_version: str
    kind: str
    name: str
    namespace: str = ""


class Link(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A link shown with a resource.

    Attributes:
        url: Where it leads.
        name: What it is called.
    """

    url: str
    name: str = ""


class KubernetesApplySpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The objects to apply, and what to do with the pods that result.

    Attributes:
        yaml: Objects to apply; documents separated by `---`.
        apply_cmd: A command that applies them, and prints what it applied as YAML.
        delete_cmd: A command that deletes what applyCmd applied.
        attach: An object that is followed, and never written or deleted, instead of applying any.
        timeout: How long one attempt may take, such as 30s.
        kubernetes_discovery_template_spec: Further pods that belong to it.
        port_forward_template_spec: The forwards that its pods serve.
        pod_log_stream_template_spec: Which of its pods' logs are followed.
        discovery_strategy: Whether pods are found by their owners and extraSelectors, or by
            extraSelectors alone.
        restart_on: What makes it apply again.
        disable_source: Where to read whether it is disabled.
        cluster: Name of the Cluster.
        trigger_mode: Whether a new input is applied at once, or when triggered.
        auto_init: Whether the first input is applied without being triggered.
        resource_deps: Resources that must have been ready once before the first apply.
        pod_readiness: Whether its pods must be ready, must succeed, or do not count.
        links: Links shown with it.
    """

    yaml: str = ""
    apply_cmd: KubernetesApplyCmd | None = None
    delete_cmd: KubernetesApplyCmd | None = None
    attach: KubernetesAttach | None = None
    timeout: Annotated[str, defaulted("30s")] = "30s"
    kubernetes_discovery_template_spec: KubernetesDiscoveryTemplateSpec | None = None
    port_forward_template_spec: PortForwardTemplateSpec | None = None
    pod_log_stream_template_spec: PodLogStreamTemplateSpec | None = None
    discovery_strategy: Literal["default", "selectors-only", ""] = ""
    restart_on: RestartOn | None = None
    disable_source: DisableSource | None = None
    cluster: Annotated[str, defaulted("default")] = "default"
    trigger_mode: Literal["auto", "manual", ""] = ""
    auto_init: bool = True
    resource_deps: list[str] = []
    pod_readiness: Literal["wait", "ignore", "succeeded", ""] = ""
    links: list[Link] = []


class PodCounts(msgspec.Struct, rename="camel", kw_only=True):
    """How many pods there are.

    Attributes:
        ready: Pods that take requests, or that have done their work.
        total: Pods of the newest apply.
    """

    ready: int = 0
    total: int = 0


class AppliedObject(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One object that was applied.

    Attributes:
        api_version: Its API version.
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        uid: Its UID.
    """

    api_version: str
    kind: str
    namespace: str = ""
    name: str
    uid: str = ""


class DriftedField(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A field that somebody else changed.

    Attributes:
        path: Where it is, such as .spec.replicas.
        wanted: What was applied, as JSON, cut short; redacted in Secrets.
        live: What is there now.
        manager: The field manager that changed it, if the cluster knows.
    """

    path: str
    wanted: str = ""
    live: str = ""
    manager: str = ""


class DriftedObject(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """An applied object that is not as it was applied.

    Attributes:
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        deleted: Whether it is gone, though kapp did not delete it.
        fields: What differs.
    """

    kind: str
    namespace: str = ""
    name: str
    deleted: bool = False
    fields: list[DriftedField] = []


class KubernetesApplyStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How it goes.

    Attributes:
        observed_generation: The newest spec that was looked at.
        runtime_status: Of what was applied: pending, ok, error, not_applicable.
        result_yaml: What the cluster returned; without status, managedFields and Secret values.
        error: Why the newest input is not applied.
        last_apply_start_time: When the newest attempt began.
        last_apply_time: When the newest attempt ended.
        applied_input_hash: Names the input that was applied last.
        attempted_input_hash: Names the input of the newest attempt.
        attempts: How often the newest input was tried in vain.
        handled_trigger: The trigger (`kapp trigger`) that was carried out last.
        held_input_hash: Names the input that was held back at first, because of autoInit.
        waiting_reason: Why the newest input is not applied yet: waiting-for-cluster,
            waiting-for-uncategorized, waiting-for-dep, waiting-for-trigger or forbidden-context.
        waiting_on: Names of the resources, or of the cluster, that are waited for.
        objects: What was applied last, in the order of the input.
        drift: What somebody else deleted or changed of what was applied.
        pods: How many pods there are.
        disable_status: Whether it is disabled.
        conditions: Applied, and Ready.
    """

    observed_generation: int = 0
    runtime_status: str = ""
    result_yaml: str = msgspec.field(default="", name="resultYAML")
    error: str = ""
    last_apply_start_time: Time = ""
    last_apply_time: Time = ""
    applied_input_hash: str = ""
    attempted_input_hash: str = ""
    attempts: int = 0
    handled_trigger: str = ""
    held_input_hash: str = ""
    waiting_reason: str = ""
    waiting_on: list[str] = []
    objects: list[AppliedObject] = []
    drift: list[DriftedObject] = []
    pods: PodCounts | None = None
    disable_status: DisableStatus | None = None
    conditions: list[Condition] = []


class KubernetesApply(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """Objects that the cluster is kept in line with.

    Attributes:
        spec: What is wanted.
        status: How it goes.
    """

    KIND: ClassVar[str] = "KubernetesApply"
    PLURAL: ClassVar[str] = "kubernetesapplys"

    spec: KubernetesApplySpec
    status: KubernetesApplyStatus = msgspec.field(default_factory=KubernetesApplyStatus)


def _check(obj: KubernetesApply) -> Iterable[Cause]:
    spec = obj.spec
    if [bool(spec.yaml), bool(spec.apply_cmd), bool(spec.attach)].count(True) != 1:
        yield Cause(
            "spec",
            "Required value: exactly one of yaml, applyCmd and attach",
            "FieldValueRequired",
        )
    for name in ("api_version", "kind", "name") if spec.attach is not None else ():
        if not getattr(spec.attach, name):
            field = "apiVersion" if name == "api_version" else name
            yield Cause(f"spec.attach.{field}", "Required value", "FieldValueRequired")
    if spec.delete_cmd and not spec.apply_cmd:
        yield Cause(
            "spec.deleteCmd", "Forbidden: may be given with applyCmd only", "FieldValueForbidden"
        )
    for name in ("apply", "delete"):
        command = getattr(spec, f"{name}_cmd")
        if command is not None and not command.args:
            yield Cause(f"spec.{name}Cmd.args", "Required value", "FieldValueRequired")
    try:
        parse_duration(spec.timeout)
    except ValueError:
        yield Cause(
            "spec.timeout",
            f'Invalid value: "{spec.timeout}": must be a duration such as 30s or 1m30s',
        )
    if template := spec.port_forward_template_spec:
        yield from check_forwards(template.forwards, "spec.portForwardTemplateSpec.forwards")


def _state(obj: Object, _now: datetime) -> str:
    status = obj.get("status") or {}
    if (status.get("disableStatus") or {}).get("disabled"):
        return "Disabled"
    condition = find_condition(status.get("conditions"), APPLIED)
    reason = str(condition["reason"]) if condition else REASON_PENDING
    if reason == REASON_APPLIED and status.get("drift"):
        return "Drifted"
    if reason == REASON_ERROR:
        return f"Error: {_short(str(status.get('error') or ''))}"
    return reason


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    if len(line) <= _SHORT_REASON_CHARS:
        return line
    return f"{line[: _SHORT_REASON_CHARS - 1].rstrip()}…"


def _pods(obj: Object, _now: datetime) -> str:
    pods = (obj.get("status") or {}).get("pods")
    return f"{pods.get('ready', 0)}/{pods.get('total', 0)}" if pods else "-"


def _last_apply(obj: Object, now: datetime) -> str:
    moment = (obj.get("status") or {}).get("lastApplyTime")
    return human_age(moment, now) if moment else "-"


def _message(name: str) -> Any:
    def value(obj: Object, _now: datetime) -> str:
        condition = find_condition((obj.get("status") or {}).get("conditions"), name)
        return str((condition or {}).get("message") or "")

    return value


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        KubernetesApply,
        short_names=("ka", "kapp"),
        columns=(
            Column("Status", _state, description="Whether the newest input is applied."),
            Column("Pods", _pods, description="Ready pods, of all of the newest apply."),
            Column("Last Apply", _last_apply, description="How long ago it was applied last."),
            Column("Ready", _message(READY), description="What is not ready.", priority=1),
        ),
        check=_check,
    )
