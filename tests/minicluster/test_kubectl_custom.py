"""Custom kinds, as kubectl sees them; the same on the embedded and on a real cluster."""

import copy
import json
import subprocess
import uuid

import pytest

from .conftest import KUBECTL

CRON_SPEC = r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"
SPEC_SCHEMA = {
    "type": "object",
    "required": ["cronSpec"],
    "properties": {
        "cronSpec": {"type": "string", "pattern": CRON_SPEC, "description": "When it runs."},
        "image": {"type": "string", "default": "img:1"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "mode": {"type": "string", "enum": ["Hard", "Soft"]},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "limit": {"x-kubernetes-int-or-string": True},
        "since": {"type": "string", "format": "date-time"},
        "from": {"type": "string", "format": "cidr"},
        "key": {"type": "string", "format": "byte"},
    },
}
STATUS_SCHEMA = {
    "type": "object",
    "properties": {"replicas": {"type": "integer"}, "labelSelector": {"type": "string"}},
}


def definition(group, plural="crontabs", kind="CronTab", short="ct", scope="Namespaced"):
    properties = copy.deepcopy({"spec": SPEC_SCHEMA, "status": STATUS_SCHEMA})
    schema = {"type": "object", "properties": properties}
    stored = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.labelSelector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    older = {
        "name": "v1beta1",
        "served": True,
        "storage": False,
        "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, "shortNames": [short]},
            "versions": [older, stored],
        },
    }


def cron_tab(group, name, version="v1", **spec):
    return {
        "apiVersion": f"{group}/{version}",
        "kind": "CronTab",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def group(kubectl):
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    crd = definition(group)
    kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    kubectl("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}")
    yield group
    kubectl.run("delete", "crd", crd["metadata"]["name"], "--wait=false")


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_a_definition_is_accepted_and_served(kubectl, group):
    name = f"crontabs.{group}"
    assert rows(kubectl("get", "crd", name))[0] == ["NAME", "CREATED", "AT"]
    crd = json.loads(kubectl("get", "crd", name, "-o", "json"))
    status = crd["status"]
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"] == {
        "kind": "CronTab",
        "listKind": "CronTabList",
        "plural": "crontabs",
        "shortNames": ["ct"],
        "singular": "crontab",
    }
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]] == [
        ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    assert "finalizers" not in crd["metadata"]
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    found = rows(kubectl("api-resources", "--api-group", group, "--no-headers"))
    assert found == [["crontabs", "ct", f"{group}/v1", "true", "CronTab"]]
    versions = json.loads(kubectl("get", "--raw", f"/apis/{group}"))
    assert [v["version"] for v in versions["versions"]] == ["v1", "v1beta1"]
    # a real server publishes the schema a moment later
    for _ in range(100):
        explained = kubectl.run("explain", f"crontabs.{group}.spec")
        if explained.returncode == 0:
            break
    assert "cronSpec\t<string> -required-" in explained.stdout
    assert "When it runs." in explained.stdout


def test_custom_objects_get_defaults_and_lose_what_is_unknown(kubectl, group):
    more = {"since": "2026-01-01T00:00:00.5+01:00", "from": "10.0.0.0/8", "key": "aGk="}
    tab = cron_tab(group, "one", cronSpec="* * * * */5", limit="50%", free={"any": 1}, **more)
    kubectl("apply", "-f", "-", stdin=json.dumps(tab))
    assert rows(kubectl("get", "ct", "one"))[0] == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert rows(kubectl("get", "ct", "one", "--no-headers"))[0][:7] == [
        "one", "*", "*", "*", "*", "*/5", "1",
    ]  # fmt: skip
    found = json.loads(kubectl("get", "crontab", "one", "-o", "json"))
    assert found["spec"] == {**tab["spec"], "image": "img:1", "replicas": 1}
    assert found["metadata"]["generation"] == 1
    strange = cron_tab(group, "strange", cronSpec="* * * * *", colour="red")
    text = kubectl.error("apply", "-f", "-", stdin=json.dumps(strange))
    assert 'unknown field "spec.colour"' in text
    kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(strange))
    assert "colour" not in json.loads(kubectl("get", "ct", "strange", "-o", "json"))["spec"]
    kubectl("delete", "ct", "strange")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cronSpec": "never"}, "should match"),
        ({"cronSpec": 7}, 'must be of type string: "integer"'),
        ({"cronSpec": "* * * * *", "replicas": 11}, "should be less than or equal to 10"),
        ({"cronSpec": "* * * * *", "mode": "Odd"}, 'supported values: "Hard", "Soft"'),
        ({"image": "x"}, "spec.cronSpec: Required value"),
        (
            {"cronSpec": "* * * * *", "since": "yesterday"},
            'spec.since in body must be of type date-time: "yesterday"',
        ),
        ({"cronSpec": "* * * * *", "from": "10.0.0.1"}, "must be of type cidr"),
        ({"cronSpec": "* * * * *", "key": "?"}, "must be of type byte"),
    ],
)
def test_custom_objects_are_validated(kubectl, group, spec, words):
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(cron_tab(group, "wrong", **spec)))
    assert words in text
    assert 'The CronTab "wrong" is invalid' in text


def test_status_and_scale(kubectl, group):
    kubectl("apply", "-f", "-", stdin=json.dumps(cron_tab(group, "sized", cronSpec="* * * * *")))
    # what is no status is not written through /status, and the other way round
    patch = json.dumps({"spec": {"image": "no"}, "status": {"replicas": 1, "labelSelector": "a=b"}})
    arguments = ("--type=merge", "-p", patch)
    kubectl("patch", "ct", "sized", *arguments, "--subresource=status")
    found = json.loads(kubectl("get", "ct", "sized", "-o", "json"))
    assert (found["spec"]["image"], found["status"]["replicas"]) == ("img:1", 1)
    assert found["metadata"]["generation"] == 1
    kubectl("scale", f"crontabs.{group}/sized", "--replicas=3")
    scale = json.loads(kubectl("get", "ct", "sized", "-o", "json", "--subresource=scale"))
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 1, "selector": "a=b"}
    kubectl("patch", "ct", "sized", *arguments)
    found = json.loads(kubectl("get", "ct", "sized", "-o", "json"))
    assert found["spec"]["image"] == "no"
    assert found["metadata"]["generation"] == 3


def test_versions_share_their_objects(kubectl, group):
    tab = cron_tab(group, "shared", "v1beta1", cronSpec="1 * * * *", more=True)
    kubectl("apply", "-f", "-", stdin=json.dumps(tab))
    old = json.loads(kubectl("get", f"crontabs.v1beta1.{group}", "shared", "-o", "json"))
    assert old["apiVersion"] == f"{group}/v1beta1"
    # the stored version's schema decides what is kept
    assert old["spec"] == {"cronSpec": "1 * * * *", "image": "img:1", "replicas": 1}
    new = json.loads(kubectl("get", f"crontabs.v1.{group}", "-o", "json"))
    (found,) = [o for o in new["items"] if o["metadata"]["name"] == "shared"]
    assert found["apiVersion"] == f"{group}/v1"
    assert found["spec"] == old["spec"]
    assert found["metadata"]["uid"] == old["metadata"]["uid"]
    seen = {}
    for version in ("v1", "v1beta1"):
        watch = ["get", f"crontabs.{version}.{group}", "-w", "-o", "json", "--request-timeout=20s"]
        watch += ["--field-selector=metadata.name=shared"]
        with subprocess.Popen(
            [KUBECTL, *watch], env=kubectl.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            text = ""
            for line in process.stdout:
                text += line
                if line == "}\n":
                    break
            process.kill()
        seen[version] = json.loads(text)["apiVersion"]
    assert seen == {version: f"{group}/{version}" for version in seen}


def test_server_side_apply_of_custom_objects(kubectl, group):
    tab = cron_tab(group, "owned", cronSpec="* * * * *", image="a")
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(tab))
    tab["spec"]["image"] = "b"
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    assert ".spec.image" in kubectl.error(*other, stdin=json.dumps(tab))
    kubectl(*other, "--force-conflicts", stdin=json.dumps(tab))
    assert kubectl("get", "ct", "owned", "-o", "jsonpath={.spec.image}") == "b"
    done = kubectl.run("patch", "ct", "owned", "-p", '{"spec":{"image":"c"}}')
    assert "application/json-patch+json" in done.stderr or done.returncode != 0


def test_names_that_are_taken(kubectl, group):
    rival = definition(group, "rivals", "Rival", "ct")
    kubectl("apply", "-f", "-", stdin=json.dumps(rival))
    try:
        kubectl("wait", "--for=condition=NamesAccepted=False", f"crd/rivals.{group}")
        status = json.loads(kubectl("get", "crd", f"rivals.{group}", "-o", "json"))["status"]
        found = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]}
        assert found["NamesAccepted"] == (
            "False",
            "ShortNamesConflict",
            '"ct" is already in use',
        )
        assert found["Established"] == ("False", "NotAccepted", "not all names are accepted")
        assert "the server doesn't have a resource type" in kubectl.error("get", f"rivals.{group}")
    finally:
        kubectl("delete", "crd", f"rivals.{group}", "--timeout=20s")


def test_definitions_are_validated(kubectl, group):
    wrong = definition(group, "wrongs", "Wrong", "wr")
    wrong["metadata"]["name"] = "wrongs"
    wrong["spec"]["versions"][0]["storage"] = True
    wrong["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
        "typeless"
    ] = {}
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(wrong))
    assert 'must be spec.names.plural+"."+spec.group' in text
    assert "must have exactly one version marked as storage version" in text
    assert (
        "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[typeless].type: "
        "Required value: must not be empty for specified object fields" in text
    )
    moved = definition(group, scope="Cluster")
    assert "field is immutable" in kubectl.error("apply", "-f", "-", stdin=json.dumps(moved))


def test_a_definition_takes_its_objects_with_it(kubectl, group):
    crd = definition(group, "shorts", "Short", "sh")
    name = crd["metadata"]["name"]
    kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    kubectl("wait", "--for=condition=Established", f"crd/{name}")
    held = {**cron_tab(group, "held", cronSpec="* * * * *"), "kind": "Short"}
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl("create", "-f", "-", stdin=json.dumps(held))
    kubectl("delete", "crd", name, "--wait=false")
    kubectl("wait", "--for=condition=Terminating", f"crd/{name}", "--timeout=60s", timeout=90)
    gone = "--for=jsonpath={.metadata.deletionTimestamp}"
    kubectl("wait", gone, f"shorts.{group}/held", "--timeout=60s", timeout=90)
    late = {**cron_tab(group, "late", cronSpec="* * * * *"), "kind": "Short"}
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(late))
    assert "create not allowed while custom resource definition is terminating" in text
    kubectl("patch", f"shorts.{group}", "held", "--type=json", "-p",
            '[{"op":"remove","path":"/metadata/finalizers"}]')  # fmt: skip
    kubectl("wait", "--for=delete", f"crd/{name}", "--timeout=60s", timeout=90)
    assert "the server doesn't have a resource type" in kubectl.error("get", f"shorts.{group}")
