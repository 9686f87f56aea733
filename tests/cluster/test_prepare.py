"""What is injected, refused and shown."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapp import yamlio
from kapp.cluster.prepare import (
    check,
    input_hash,
    prepare,
    result_yaml,
    secret_values,
    shown,
    template_hash,
    template_hashes,
)
from kapp.errors import ConfigError

from .world import deployment, obj


def one(given_object):
    return prepare([given_object], resource="web", part_of="applyset-x-v1")[0]


def test_labels_and_annotation_are_injected_and_the_input_is_left_alone():
    given_object = deployment()
    before = copy.deepcopy(given_object)
    made = one(given_object)
    assert given_object == before
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "kapp",
        "applyset.kubernetes.io/part-of": "applyset-x-v1",
    }
    assert made["metadata"]["annotations"] == {"kapp.dev/resource": "web"}
    template = made["spec"]["template"]
    digest = template_hash(before["spec"]["template"])
    assert template["metadata"]["labels"] == {
        "app": "web",
        "app.kubernetes.io/managed-by": "kapp",
        "kapp.dev/template-hash": digest,
    }
    assert made["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert template_hashes([made]) == {digest}


def test_a_managed_by_label_of_ones_own_stays():
    made = one(obj("ConfigMap", "a", metadata={"labels": {"app.kubernetes.io/managed-by": "helm"}}))
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "helm"


def pod_spec():
    return {"containers": [{"name": "c", "image": "i"}]}


@pytest.mark.parametrize(
    ("given_object", "path"),
    [
        (obj("Pod", "a", spec=pod_spec()), ()),
        (obj("Job", "a", "batch/v1", spec={"template": {"spec": pod_spec()}}), ("template",)),
        (
            obj(
                "CronJob",
                "a",
                "batch/v1",
                spec={"jobTemplate": {"spec": {"template": {"spec": pod_spec()}}}},
            ),
            ("jobTemplate", "spec", "template"),
        ),
        (
            obj(
                "Rollout",
                "a",
                "argoproj.io/v1",
                spec={"template": {"metadata": {}, "spec": pod_spec()}},
            ),
            ("template",),
        ),
    ],
)
def test_every_pod_template_is_marked(given_object, path):
    made = one(given_object)
    template = made["spec"] if path else made
    for part in path:
        template = template[part]
    assert "kapp.dev/template-hash" in template["metadata"]["labels"]


def test_a_custom_template_whose_schema_may_forbid_metadata_is_left_alone():
    thing = obj("Thing", "a", "example.com/v1", spec={"template": {"spec": pod_spec()}})
    assert one(thing)["spec"] == thing["spec"]


def test_claim_templates_and_what_the_server_sets_are_not_sent_on():
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    made = one(
        obj(
            "StatefulSet",
            "a",
            "apps/v1",
            metadata={"uid": "x", "resourceVersion": "1", "managedFields": [], "labels": None},
            spec={"volumeClaimTemplates": claims},
            status={"replicas": 1},
        )
    )
    assert made["spec"]["volumeClaimTemplates"] == claims
    assert set(made["metadata"]) == {"name", "labels", "annotations"}
    assert "status" not in made


def test_lists_are_taken_apart():
    listed = {"apiVersion": "v1", "kind": "List", "items": [obj("ConfigMap", "a"), deployment()]}
    assert [o["kind"] for o in check([listed, None])] == ["ConfigMap", "Deployment"]


@pytest.mark.parametrize(
    ("given_object", "message"),
    [
        ({"kind": "A", "metadata": {"name": "a"}}, "A/a: apiVersion is missing"),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "object/a: kind is missing"),
        ({"apiVersion": "v1", "kind": "A"}, r"A/\(document 2\): metadata.name is missing"),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"generateName": "a-"}}, "generateName"),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"name": 5}}, "not a text"),
        (["a"], "document 2 is not a Kubernetes object but list"),
        (obj("ConfigMap", "first"), "ConfigMap/first is there twice"),
    ],
)
def test_what_is_no_object_is_named(given_object, message):
    with pytest.raises(ConfigError, match=message):
        check([obj("ConfigMap", "first"), given_object])


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_input_hash_does_not_depend_on_the_order_of_keys(order):
    data = dict.fromkeys("abcd", 1)
    assert input_hash([{k: data[k] for k in order}]) == input_hash([data])
    assert input_hash([{**data, "a": 2}]) != input_hash([data])


def test_the_result_shows_what_the_server_made_without_noise():
    made = one(deployment())
    made["metadata"] |= {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "uid": "u",
        "managedFields": [{}],
    }
    made["status"] = {"replicas": 1}
    lines = result_yaml([made]).splitlines()
    assert lines[:5] == [
        "apiVersion: apps/v1",
        "kind: Deployment",
        "metadata:",
        '  creationTimestamp: "2026-01-01T00:00:00Z"',
        "  generation: 1",
    ]
    text = "\n".join(lines)
    assert "managedFields" not in text
    assert "annotations" not in text
    assert "status" not in text


def test_other_annotations_are_shown():
    made = one(obj("ConfigMap", "a", metadata={"annotations": {"x": "y"}}))
    assert shown(made)["metadata"]["annotations"] == {"x": "y"}


def secret():
    return obj(
        "Secret",
        "a",
        metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0"}},
        data={"password": "c2VjcmV0"},
        stringData={"token": "hunter2"},
    )


def test_secrets_are_redacted():
    text = result_yaml([secret()])
    assert "c2VjcmV0" not in text
    assert "hunter2" not in text
    assert yamlio.load(text)["data"] == {"password": "(redacted)"}
    assert secret_values(secret()) == ["c2VjcmV0", "hunter2", "secret"]
    assert secret_values(obj("ConfigMap", "a", data={"a": "b"})) == []


def test_a_yaml_alias_does_not_carry_labels_into_a_selector():
    labels = {"app": "web"}
    shared = deployment()
    shared["spec"]["selector"]["matchLabels"] = labels
    shared["spec"]["template"]["metadata"]["labels"] = labels
    assert one(shared)["spec"]["selector"] == {"matchLabels": {"app": "web"}}
