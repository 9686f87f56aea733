"""What names an input, and what it wants."""

from __future__ import annotations

import pytest

from kapp.api.v1alpha1.kubernetesapply import (
    FORCE_ANNOTATION,
    TRIGGER_ANNOTATION,
    KubernetesApply,
    KubernetesApplyCmd,
    KubernetesApplySpec,
)
from kapp.api.v1alpha1.meta import ObjectMeta
from kapp.api.v1alpha1.portforward import Forward, PortForwardTemplateSpec
from kapp.cluster.inventory import MemberKey
from kapp.controllers.applyinput import ApplyInput, input_of, may_own_pods, wanted_keys

YAML = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {x: y}
---
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: shop}
"""


def make(yaml: str = YAML, annotations: dict[str, str] | None = None) -> KubernetesApply:
    return KubernetesApply(
        metadata=ObjectMeta(name="web", annotations=annotations or {}),
        spec=KubernetesApplySpec(yaml=yaml),
    )


def given(apply: KubernetesApply, events: tuple[str, ...] = ()) -> ApplyInput:
    return input_of(apply, part_of="applyset-x-v1", events=events)


def test_order_of_keys_ports_and_labels_change_no_input() -> None:
    other = make(YAML.replace("apiVersion: v1\nkind: ConfigMap", "kind: ConfigMap\napiVersion: v1"))
    other.metadata.labels = {"team": "shop"}
    other.spec.port_forward_template_spec = PortForwardTemplateSpec(
        forwards=[Forward(local_port=1, container_port=0, host="localhost")]
    )
    assert given(other).digest == given(make()).digest


@pytest.mark.parametrize(
    ("apply", "events"),
    [
        (make(YAML.replace("x: y", "x: z")), ()),
        (make(annotations={TRIGGER_ANNOTATION: "1"}), ()),
        (make(), ("2026-11-23T18:29:16.000000Z",)),
    ],
)
def test_content_triggers_and_file_events_do(
    apply: KubernetesApply, events: tuple[str, ...]
) -> None:
    assert given(apply, events).digest != given(make()).digest


def test_only_the_trigger_that_is_meant_is_forced() -> None:
    assert given(make(annotations={TRIGGER_ANNOTATION: "1", FORCE_ANNOTATION: "1"})).force
    assert not given(make(annotations={TRIGGER_ANNOTATION: "2", FORCE_ANNOTATION: "1"})).force
    assert not given(make()).force


def test_wanted_objects_in_the_default_namespace_or_without_one() -> None:
    assert wanted_keys(make(), "dev") == {
        MemberKey("", "ConfigMap", "", "a"),
        MemberKey("", "ConfigMap", "dev", "a"),
        MemberKey("apps", "Deployment", "shop", "web"),
    }


def test_what_can_own_pods() -> None:
    assert not may_own_pods({"apiVersion": "v1", "kind": "Service"})
    assert may_own_pods({"apiVersion": "example.com/v1", "kind": "Database"})
    template = {"spec": {"containers": []}}
    assert may_own_pods(
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}}
    )


def test_a_command_is_an_input_like_any_other() -> None:
    apply = make("")
    apply.spec.apply_cmd = KubernetesApplyCmd(args=["helm"])
    first = given(apply)
    assert first.objects == ()
    assert given(apply).digest == first.digest
    assert given(apply, ("2026-11-23T18:29:16Z",)).digest != first.digest
    apply.spec.apply_cmd.args = ["helm", "install"]
    assert given(apply).digest != first.digest
