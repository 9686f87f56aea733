"""Kinds that the embedded cluster only stores, as kubectl sees them; a real one agrees."""

import json
import uuid

import pytest

RBAC = "rbac.authorization.k8s.io"


def cells(text):
    """The cells of a table by column, without those that depend on time."""
    header, *lines = text.splitlines()
    names = [name.strip() for name in header.split("   ") if name.strip()]
    starts = [header.index(name) for name in names]
    table = []
    for line in lines:
        ends = [*starts[1:], None]
        row = {n: line[s:e].strip() for n, s, e in zip(names, starts, ends, strict=True)}
        table.append({n: v for n, v in row.items() if n not in ("AGE", "CREATED AT")})
    return names, table


def manifest(kind, api_version, name, **body):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **body}


@pytest.fixture
def unique(kubectl):
    """A name for cluster-scoped objects; they are deleted at the end."""
    name = f"t{uuid.uuid4().hex[:8]}"
    yield name
    for kind in (
        "clusterroles",
        "clusterrolebindings",
        "ingressclasses",
        "storageclasses",
        "priorityclasses",
        "validatingwebhookconfigurations",
    ):
        kubectl.run("delete", kind, name, "--ignore-not-found", "--wait=false")


def backend():
    return {"service": {"name": "web", "port": {"number": 80}}}


def test_manifests_of_many_kinds_apply(kubectl, unique):
    subjects = [
        {"kind": "User", "name": "ada"},
        {"kind": "ServiceAccount", "name": "d", "namespace": "n"},
    ]
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    path = {"path": "/", "pathType": "Prefix", "backend": backend()}
    webhook = {
        "name": "check.example.com",
        "clientConfig": {"service": {"name": "hook", "namespace": "default"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [
            {
                "apiGroups": ["kapp-test.example.com"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["things"],
            }
        ],
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    made = [
        manifest("Role", f"{RBAC}/v1", "reader", rules=rules),
        manifest("ClusterRole", f"{RBAC}/v1", unique, rules=rules),
        manifest(
            "RoleBinding",
            f"{RBAC}/v1",
            "readers",
            roleRef={"kind": "Role", "name": "reader", "apiGroup": RBAC},
            subjects=subjects,
        ),
        manifest(
            "ClusterRoleBinding",
            f"{RBAC}/v1",
            unique,
            roleRef={"kind": "ClusterRole", "name": unique, "apiGroup": RBAC},
            subjects=[{"kind": "Group", "name": "g"}],
        ),
        manifest(
            "PodDisruptionBudget",
            "policy/v1",
            "budget",
            spec={"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}},
        ),
        manifest(
            "Ingress",
            "networking.k8s.io/v1",
            "web",
            spec={"rules": [{"host": "a.example.com", "http": {"paths": [path]}}]},
        ),
        manifest(
            "IngressClass",
            "networking.k8s.io/v1",
            unique,
            spec={"controller": "example.com/ingress"},
        ),
        manifest(
            "NetworkPolicy",
            "networking.k8s.io/v1",
            "deny",
            spec={
                "podSelector": {"matchLabels": {"a": "b"}},
                "ingress": [{"ports": [{"port": 80}]}],
            },
        ),
        manifest("ResourceQuota", "v1", "quota", spec={"hard": {"pods": "100"}}),
        manifest(
            "LimitRange",
            "v1",
            "limits",
            spec={"limits": [{"type": "Container", "max": {"ephemeral-storage": "20Gi"}}]},
        ),
        manifest("StorageClass", "storage.k8s.io/v1", unique, provisioner="example.com/disk"),
        manifest("PriorityClass", "scheduling.k8s.io/v1", unique, value=7),
        manifest(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            "scaler",
            spec={"scaleTargetRef": target, "maxReplicas": 3},
        ),
        manifest("Lease", "coordination.k8s.io/v1", "lock", spec={"holderIdentity": "me"}),
        manifest(
            "ValidatingWebhookConfiguration",
            "admissionregistration.k8s.io/v1",
            unique,
            webhooks=[webhook],
        ),
        manifest("ControllerRevision", "apps/v1", "rev", revision=3, data={"a": 1}),
    ]
    text = "\n---\n".join(map(json.dumps, made))
    assert kubectl("apply", "-f", "-", stdin=text).count(" created") == len(made)
    assert "created" not in kubectl("apply", "-f", "-", stdin=text)
    _check_columns(kubectl, unique)
    _check_defaults(kubectl, unique)
    scoped = "\n---\n".join(json.dumps(o) for o in made if o["metadata"]["name"] != unique)
    kubectl("delete", "-f", "-", "--wait=false", stdin=scoped)


def _check_columns(kubectl, unique):
    expected = {
        ("role", "reader"): {"NAME": "reader"},
        ("rolebinding", "readers", "-o", "wide"): {
            "NAME": "readers",
            "ROLE": "Role/reader",
            "USERS": "ada",
            "GROUPS": "",
            "SERVICEACCOUNTS": "n/d",
        },
        ("clusterrolebinding", unique): {"NAME": unique, "ROLE": f"ClusterRole/{unique}"},
        ("pdb", "budget"): {
            "NAME": "budget",
            "MIN AVAILABLE": "50%",
            "MAX UNAVAILABLE": "N/A",
            "ALLOWED DISRUPTIONS": "0",
        },
        ("ingress", "web"): {
            "NAME": "web",
            "CLASS": "<none>",
            "HOSTS": "a.example.com",
            "ADDRESS": "",
            "PORTS": "80",
        },
        ("ingressclass", unique): {
            "NAME": unique,
            "CONTROLLER": "example.com/ingress",
            "PARAMETERS": "<none>",
        },
        ("netpol", "deny"): {"NAME": "deny", "POD-SELECTOR": "a=b"},
        ("sc", unique): {
            "NAME": unique,
            "PROVISIONER": "example.com/disk",
            "RECLAIMPOLICY": "Delete",
            "VOLUMEBINDINGMODE": "Immediate",
            "ALLOWVOLUMEEXPANSION": "false",
        },
        ("pc", unique): {
            "NAME": unique,
            "VALUE": "7",
            "GLOBAL-DEFAULT": "false",
            "PREEMPTIONPOLICY": "PreemptLowerPriority",
        },
        ("hpa", "scaler"): {
            "NAME": "scaler",
            "REFERENCE": "Deployment/web",
            "TARGETS": "cpu: <unknown>/80%",
            "MINPODS": "1",
            "MAXPODS": "3",
            "REPLICAS": "0",
        },
        ("lease", "lock"): {"NAME": "lock", "HOLDER": "me"},
        ("validatingwebhookconfiguration", unique): {"NAME": unique, "WEBHOOKS": "1"},
        ("controllerrevision", "rev"): {"NAME": "rev", "CONTROLLER": "<none>", "REVISION": "3"},
    }
    for arguments, row in expected.items():
        _, table = cells(kubectl("get", *arguments))
        assert table == [row], arguments


def _check_defaults(kubectl, unique):
    def read(*arguments):
        return json.loads(kubectl("get", *arguments, "-o", "json"))

    assert read("netpol", "deny")["spec"]["policyTypes"] == ["Ingress"]
    (limit,) = read("limitrange", "limits")["spec"]["limits"]
    assert limit["defaultRequest"] == limit["default"] == limit["max"]
    (hook,) = read("validatingwebhookconfiguration", unique)["webhooks"]
    assert (hook["matchPolicy"], hook["timeoutSeconds"]) == ("Equivalent", 10)
    assert hook["clientConfig"]["service"]["port"] == 443
    assert read("hpa", "scaler")["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    # not every kind counts its generations
    assert "generation" not in read("role", "reader")["metadata"]
    assert read("netpol", "deny")["metadata"]["generation"] == 1


def test_commands_that_create_them(kubectl, unique):
    kubectl("create", "role", "made", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "made", "--role=made", "--user=ada", "--serviceaccount=a:b")
    kubectl("create", "clusterrole", unique, "--verb=get", "--resource=nodes")
    kubectl("create", "clusterrolebinding", unique, f"--clusterrole={unique}", "--group=g")
    kubectl("create", "quota", "made", "--hard=pods=10,secrets=5")
    kubectl("create", "priorityclass", unique, "--value=3", "--description=some")
    kubectl("create", "poddisruptionbudget", "made", "--selector=a=b", "--min-available=1")
    kubectl("create", "ingress", "made", "--rule=a.example.com/*=web:80,tls=cert")
    kubectl("create", "job", "made", "--image=busybox:1.36", "--", "true")
    yearly = ("--schedule=0 0 1 1 *", "--image=busybox:1.36", "--", "true")
    kubectl("create", "cronjob", "made", *yearly)
    kubectl("create", "job", "again", "--from=cronjob/made")
    role = json.loads(kubectl("get", "role", "made", "-o", "json"))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    binding = json.loads(kubectl("get", "rolebinding", "made", "-o", "json"))
    assert binding["subjects"] == [
        {"apiGroup": RBAC, "kind": "User", "name": "ada"},
        {"kind": "ServiceAccount", "name": "b", "namespace": "a"},
    ]
    assert cells(kubectl("get", "ingress", "made"))[1][0]["PORTS"] == "80, 443"
    assert json.loads(kubectl("get", "quota", "made", "-o", "json"))["spec"]["hard"] == {
        "pods": "10",
        "secrets": "5",
    }
    assert json.loads(kubectl("get", "pdb", "made", "-o", "json"))["spec"]["minAvailable"] == 1
    done = ("--for=condition=Complete", "job/made", "job/again", "--timeout=60s")
    kubectl("wait", *done, timeout=60)
    kubectl("delete", "role,rolebinding,quota,pdb,ingress,job,cronjob", "made")
    kubectl.run("delete", "job", "again")


def test_what_is_refused(kubectl, unique):
    rule = {"http": {"paths": [{"path": "/", "backend": backend()}]}}
    wrong = manifest("Ingress", "networking.k8s.io/v1", "wrong", spec={"rules": [rule]})
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(wrong))
    assert "spec.rules[0].http.paths[0].pathType: Required value" in text
    binding = manifest(
        "RoleBinding",
        f"{RBAC}/v1",
        "fixed",
        roleRef={"kind": "ClusterRole", "name": "view", "apiGroup": RBAC},
    )
    kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    binding["roleRef"]["name"] = "edit"
    assert "cannot change roleRef" in kubectl.error("apply", "-f", "-", stdin=json.dumps(binding))
    kubectl("delete", "rolebinding", "fixed")
