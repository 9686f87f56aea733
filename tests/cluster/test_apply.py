"""Applying: order, retries, recreation, and errors in one clear sentence."""

import pytest

from kapp.cluster import apply as module
from kapp.cluster import pauses
from kapp.cluster.apply import ApplyError, apply
from kapp.cluster.failures import Recreate, Rejected, Retry, explain, judge, redact
from kapp.cluster.order import apply_class, batches, delete_class
from kapp.cluster.rerun import Rerun
from kapp.cluster.resolve import resolve
from kapp.errors import Unreachable
from kapp.machinery.status import ApiError, Cause, conflict, gone, invalid
from kapp.runtime.client import PatchType

from .world import World, deployment, kind, obj


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_BASE_DELAY_S", 0.001)
    monkeypatch.setattr(module, "_MAX_DELAY_S", 0.002)
    monkeypatch.setattr(pauses, "FIRST_S", 0.001)


@pytest.fixture
def world():
    return World()


async def run(world, *objects, **options):
    steps = []
    targets = await world.targets(*objects)
    inventory = world.inventory()
    results = await apply(
        world.client, targets, record=inventory.record, on_progress=steps.append, **options
    )
    return results, [(s.object, s.state) for s in steps]


def patched(world):
    return [(k, name) for verb, k, name in world.calls if verb == "patch"]


async def test_objects_arrive_in_their_namespace_and_results_in_order(world):
    namespace = obj("Namespace", "other")
    placed = obj("ConfigMap", "b", metadata={"namespace": "other"})
    results, _ = await run(world, deployment(), obj("ConfigMap", "a"), namespace, placed)
    assert [r["metadata"].get("namespace") for r in results] == [
        "default",
        "default",
        None,
        "other",
    ]
    assert all(r["metadata"]["uid"] for r in results)
    fields = world.live("Deployment", "web")["metadata"]["managedFields"]
    assert [(f["manager"], f["operation"]) for f in fields] == [("kapp", "Apply")]


async def test_the_inventory_first_then_namespaces_config_and_workloads(world):
    await run(world, deployment(), obj("ConfigMap", "a"), obj("Namespace", "n"))
    assert patched(world) == [
        ("ConfigMap", "kapp-demo"),
        ("Namespace", "n"),
        ("ConfigMap", "a"),
        ("Deployment", "web"),
    ]


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("cut"),
        ApiError(429, "TooManyRequests", "busy", retry_after_s=0),
        ApiError(500, "InternalError", "failed calling webhook"),
        ApiError(503, "ServiceUnavailable", "starting"),
        ApiError(504, "Timeout", "late"),
        conflict("deployments.apps", "web"),
    ],
)
async def test_what_may_pass_is_tried_again_and_told(world, error):
    world.faults += [("patch", "Deployment", error)] * 2
    results, steps = await run(world, deployment())
    assert len(results) == 1
    states = [state for name, state in steps if name == "Deployment/default/web"]
    assert states == ["applying", "retrying", "retrying", "applied"]


async def test_retry_after_is_heeded():
    busy = ApiError(429, "TooManyRequests", "busy", retry_after_s=7)
    assert judge(busy, deployment(), exists=False) == Retry("busy", 7.0)


async def test_what_does_not_pass_in_time_is_an_error_with_the_last_trouble(world):
    world.faults += [("patch", "Deployment", Unreachable("connection refused"))] * 1000
    with pytest.raises(ApplyError, match="web: not applied in time: connection refused"):
        await run(world, deployment(), timeout_s=0.05)


async def test_invalid_input_is_told_at_once_and_later_classes_are_not_begun(world):
    world.faults += [
        ("patch", "Service", invalid("Service", "", "s", [Cause("spec.ports", "Required value")]))
    ]
    objects = [obj("Service", "s"), obj("ConfigMap", "a"), deployment()]
    with pytest.raises(ApplyError) as e:
        await run(world, *objects)
    assert str(e.value) == "Service/default/s spec.ports: Required value"
    assert [o["metadata"]["name"] for o in e.value.applied] == ["a"]
    assert world.names("Deployment") == []


async def test_an_unknown_kind_is_named_before_anything_is_sent(world):
    with pytest.raises(Rejected, match="Widget/w: the cluster has no kind Widget"):
        await run(world, obj("Widget", "w", "example.com/v1"))
    assert world.calls == []


async def test_a_job_whose_template_changed_is_made_anew(world):
    def job(image):
        template = {"spec": {"containers": [{"name": "c", "image": image}]}}
        return obj("Job", "j", "batch/v1", spec={"template": template})

    [first], _ = await run(world, job("a"))
    [second], steps = await run(world, job("b"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert ("Job/default/j", "recreating") in steps


async def test_a_deployment_whose_selector_changed_is_made_anew(world):
    [first], _ = await run(world, deployment(selector="a"))
    [second], _ = await run(world, deployment(selector="b"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_what_kapp_did_not_make_is_not_deleted_to_make_it_anew(world):
    def job(image):
        template = {"spec": {"containers": [{"name": "c", "image": image}]}}
        return obj("Job", "j", "batch/v1", spec={"template": template})

    [target] = await world.targets(job("theirs"))
    theirs = {**job("theirs"), "metadata": {"name": "j", "namespace": "default"}}
    created = await world.local.create(target.resource, theirs)
    for force in (False, True):
        with pytest.raises(ApplyError, match="kapp did not make the one that is there"):
            await run(world, job("mine"), force=force)
    assert world.live("Job", "j")["metadata"]["uid"] == created["metadata"]["uid"]
    rerun = Rerun(world.client, [target], trigger="now", force=True)
    await rerun.prepare()
    assert world.live("Job", "j")["metadata"]["uid"] == created["metadata"]["uid"]


async def test_what_is_to_be_kept_is_not_deleted_to_make_it_anew(world):
    def job(image):
        template = {"spec": {"containers": [{"name": "c", "image": image}]}}
        made = obj("Job", "j", "batch/v1", spec={"template": template})
        made["metadata"]["annotations"] = {"kapp.dev/down-policy": "keep"}
        return made

    [first], _ = await run(world, job("a"))
    for force in (False, True):
        with pytest.raises(ApplyError, match="down-policy keeps the one there"):
            await run(world, job("b"), force=force)
    assert world.live("Job", "j")["metadata"]["uid"] == first["metadata"]["uid"]


async def test_what_may_hold_data_is_not_deleted_without_force(world):
    [first], _ = await run(world, obj("Service", "s", spec={"clusterIP": "10.0.0.1"}))
    changed = obj("Service", "s", spec={"clusterIP": "10.0.0.2"})
    with pytest.raises(ApplyError) as e:
        await run(world, changed)
    assert "cannot be changed in place" in e.value.message
    assert "kapp trigger web --force" in e.value.hint
    assert world.live("Service", "s")["metadata"]["uid"] == first["metadata"]["uid"]
    [second], _ = await run(world, changed, force=True)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


async def test_an_object_that_is_being_deleted_is_waited_for_and_made_again(world):
    held = obj("ConfigMap", "a", metadata={"finalizers": ["example.com/hold"]})
    [first], _ = await run(world, held)
    targets = await world.targets(obj("ConfigMap", "a"))
    await world.client.delete(targets[0].resource, "a", "default")

    async def release(verb, kind_name, name):
        if verb == "get" and name == "a":
            world.hooks.clear()
            live = world.live("ConfigMap", "a")
            live["metadata"]["finalizers"] = []
            await world.local.update(targets[0].resource, live)

    world.hooks.append(release)
    [second], steps = await run(world, obj("ConfigMap", "a"))
    assert ("ConfigMap/default/a", "waiting") in steps
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def crd():
    return obj(
        "CustomResourceDefinition",
        "widgets.example.com",
        "apiextensions.k8s.io/v1",
        spec={
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True}],
        },
    )


async def test_a_crd_is_waited_for_before_its_objects(world):
    looks = []

    async def establish(verb, kind_name, name):
        if verb != "get" or kind_name != "CustomResourceDefinition":
            return
        looks.append(1)
        if len(looks) == 3:
            live = world.live("CustomResourceDefinition", name)
            live["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
            found = next(k for k in world.scheme if k.kind == "CustomResourceDefinition")
            await world.local.update(found.resource, live, subresource="status")
            world.scheme.register(kind("Widget", "example.com"))

    world.hooks.append(establish)
    results, steps = await run(world, obj("Widget", "w", "example.com/v1"), crd())
    assert [r["kind"] for r in results] == ["Widget", "CustomResourceDefinition"]
    assert ("CustomResourceDefinition/widgets.example.com", "waiting") in steps
    assert len(looks) >= 3


async def test_resolving_places_objects_by_the_scope_of_their_kind(world):
    objects = [crd(), obj("Widget", "w", "example.com/v1"), obj("Namespace", "n")]
    objects[2]["metadata"]["namespace"] = "wrong"
    placed = await resolve(world, objects, "ns")
    assert [t.obj["metadata"].get("namespace") for t in placed] == [None, "ns", None]
    assert placed[1].resource.path("ns") == "/apis/example.com/v1/namespaces/ns/widgets"


async def test_of_an_object_that_is_there_twice_the_later_one_is_applied_alone(world):
    """tilt-dev/tilt#6756: applied side by side, either of the two may win."""
    first = obj("ConfigMap", "a", data={"k": "first"})
    second = obj("ConfigMap", "a", data={"k": "second"}, metadata={"namespace": "default"})
    await run(world, first, obj("ConfigMap", "b"), second)
    assert world.live("ConfigMap", "a")["data"] == {"k": "second"}
    assert sorted(name for _, name in patched(world)) == ["a", "b", "kapp-demo"]


async def test_other_managers_fields_are_taken_over(world):
    targets = await world.targets(obj("ConfigMap", "a", data={"k": "mine"}))
    other = obj("ConfigMap", "a", data={"k": "theirs"})
    await world.client.patch(
        targets[0].resource, "a", other, PatchType.APPLY, "default", field_manager="other"
    )
    [result], _ = await run(world, obj("ConfigMap", "a", data={"k": "mine"}))
    assert result["data"] == {"k": "mine"}


UNKNOWN_SSA = ApiError(
    500,
    "",
    "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
    ".spec.template.spec.contianers: field not declared in schema",
)
UNKNOWN_STRICT = ApiError(
    400, "BadRequest", 'strict decoding error: unknown field "spec.a", unknown field "spec.b"'
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UNKNOWN_SSA, "Deployment/web spec.template.spec.contianers: unknown field"),
        (UNKNOWN_STRICT, "Deployment/web spec.a: unknown field (and 1 more: spec.b)"),
        (
            ApiError(
                500, "", "failed to create typed patch object (a; b): .spec: expected map, got 5"
            ),
            "Deployment/web: .spec: expected map, got 5",
        ),
        (
            invalid("Deployment", "apps", "web", [Cause("metadata.name", "must be a name")] * 2),
            "Deployment/web metadata.name: must be a name (and 1 more)",
        ),
        (ApiError(403, "Forbidden", "no rights"), "Deployment/web: not allowed: no rights"),
        (ApiError(413, "RequestEntityTooLarge", "too large"), "Deployment/web: too large"),
        (
            ApiError(404, "NotFound", "x", details={"kind": "namespaces", "name": "n"}),
            "Deployment/web: namespace n does not exist",
        ),
    ],
)
def test_one_clear_sentence(error, text):
    verdict = judge(error, deployment(), exists=True)
    assert isinstance(verdict, Rejected)
    assert str(verdict) == text


def test_a_bare_500_is_tried_again_unless_it_is_about_types():
    assert isinstance(judge(ApiError(500, "", "etcd"), deployment(), exists=True), Retry)


def test_a_terminating_namespace_passes():
    error = ApiError(403, "Forbidden", "x", causes=[Cause("", "", "NamespaceTerminating")])
    assert isinstance(judge(error, deployment(), exists=False), Retry)
    assert isinstance(judge(gone("x"), deployment(), exists=False), Rejected)


@pytest.mark.parametrize(
    ("kind_name", "group", "field", "message"),
    [
        ("RoleBinding", "rbac.authorization.k8s.io", "roleRef", "x: cannot change roleRef"),
        ("DaemonSet", "apps", "spec.selector", "x: field is immutable"),
    ],
)
def test_what_holds_no_data_is_made_anew(kind_name, group, field, message):
    error = invalid(kind_name, group, "x", [Cause(field, f"Invalid value: {message}")])
    verdict = judge(error, obj(kind_name, "x", f"{group}/v1"), exists=True)
    assert isinstance(verdict, Recreate)


def test_what_was_never_there_is_not_made_anew():
    selector = [Cause("spec.selector", "Invalid value: 1: field is immutable")]
    error = invalid("Deployment", "apps", "web", selector)
    assert isinstance(judge(error, deployment(), exists=True), Recreate)
    assert isinstance(judge(error, deployment(), exists=False), Rejected)
    both = invalid("Deployment", "apps", "web", [*selector, Cause("spec.x", "Required value")])
    assert isinstance(judge(both, deployment(), exists=True), Rejected)


def test_values_of_secrets_are_in_no_message():
    secret = obj("Secret", "s", stringData={"a": "hunter2", "n": 12345}, data={"b": "c2VjcmV0"})
    error = ApiError(
        500,
        "",
        "failed to create typed patch object (x): .stringData.n: expected string, "
        "got &value.valueUnstructured{Value:12345} near hunter2 and secret",
    )
    text = str(explain(error, secret))
    assert text.startswith("Secret/s: .stringData.n: expected string")
    for value in ("hunter2", "12345", "secret and", "c2VjcmV0"):
        assert value not in text
    assert redact("a 1 b10", obj("Secret", "s", stringData={"x": "1"})) == "a (redacted) b10"


async def test_a_secrets_error_does_not_carry_the_servers_words(world):
    secret = obj("Secret", "s", stringData={"a": "hunter2"})
    world.faults.append(("patch", "Secret", ApiError(400, "BadRequest", "bad hunter2")))
    with pytest.raises(ApplyError) as e:
        await run(world, secret)
    assert "hunter2" not in str(e.value)
    assert e.value.errors[0].__cause__ is None


def test_orders():
    kinds = ["Deployment", "Namespace", "ConfigMap", "CustomResourceDefinition", "ServiceAccount"]
    assert list(batches((apply_class(k), k) for k in kinds)) == [
        ["Namespace"],
        ["CustomResourceDefinition"],
        ["ServiceAccount"],
        ["ConfigMap"],
        ["Deployment"],
    ]
    gone_first = [("example.com", "Widget"), ("apps", "Deployment"), ("", "Secret")]
    gone_first += [("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "Namespace")]
    assert sorted(gone_first, key=lambda gk: delete_class(*gk)) == gone_first
