import pytest

from kapp.machinery.objects import Resource, find_condition
from kapp.machinery.status import ApiError
from kapp.minicluster.resources import CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS, SERVICES
from kapp.runtime.client import PatchType

ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", True)


def pod(name="p", namespace="default", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


async def named(world, name):
    return await world.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )


async def test_a_namespace_is_furnished_and_emptied(world):
    await named(world, "dev")

    async def furnished():
        found = await world.items(ACCOUNTS, "dev"), await world.items(CONFIG_MAPS, "dev")
        return all(found)

    await world.until(furnished)
    await world.client.create(PODS, pod(namespace="dev"))
    await world.client.delete(NAMESPACES, "dev")
    with pytest.raises(ApiError) as e:
        await world.client.create(PODS, pod("late", "dev"))
    assert (e.value.code, e.value.causes[0].reason) == (403, "NamespaceTerminating")

    async def gone():
        return not any(n["metadata"]["name"] == "dev" for n in await world.items(NAMESPACES, ""))

    await world.until(gone)
    assert await world.items(PODS, "dev") == []
    assert await world.items(CONFIG_MAPS, "dev") == []
    assert await world.items(EVENTS, "dev") == []


async def test_content_needs_a_namespace(world):
    with pytest.raises(ApiError) as e:
        await world.client.create(PODS, pod(namespace="nowhere"))
    assert (e.value.code, e.value.message) == (404, 'namespaces "nowhere" not found')


async def test_the_default_namespace_stays(world):
    with pytest.raises(ApiError) as e:
        await world.client.delete(NAMESPACES, "default")
    assert e.value.code == 403


async def test_a_pod_gets_a_node(world):
    await world.client.create(PODS, pod())

    async def scheduled():
        found = await world.client.get(PODS, "p", "default")
        return found["spec"].get("nodeName") and found["status"]["phase"] == "Running" and found

    found = await world.until(scheduled)
    assert found["spec"]["nodeName"] == "node"
    assert find_condition(found["status"]["conditions"], "PodScheduled")["status"] == "True"
    assert await world.reasons(name="p") == ["Scheduled"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, "didn't match Pod's node affinity/selector"),
        (
            {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "5"}}}]},
            "Insufficient cpu",
        ),
    ],
)
async def test_a_pod_that_fits_nowhere_says_why(world, spec, why):
    await world.client.create(PODS, pod(**spec))

    async def refused():
        found = await world.client.get(PODS, "p", "default")
        return find_condition(found["status"].get("conditions"), "PodScheduled")

    found = await world.until(refused)
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    assert found["message"].startswith("0/1 nodes are available: 1 ")
    assert why in found["message"]

    async def told():
        return await world.reasons(name="p") == ["FailedScheduling"]

    await world.until(told)


async def test_a_node_that_changes_gives_waiting_pods_a_place(world):
    await world.client.create(PODS, pod(nodeSelector={"disk": "ssd"}))

    async def refused():
        found = await world.client.get(PODS, "p", "default")
        return find_condition(found["status"].get("conditions"), "PodScheduled")

    await world.until(refused)
    labels = {"metadata": {"labels": {"disk": "ssd"}}}
    await world.client.patch(NODES, "node", labels, PatchType.MERGE)

    async def scheduled():
        return (await world.client.get(PODS, "p", "default"))["spec"].get("nodeName")

    await world.until(scheduled)


async def test_services_get_addresses_of_their_own(world):
    def service(name, **spec):
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"ports": [{"port": 80}], **spec},
        }

    one = await world.client.create(SERVICES, service("one"))
    two = await world.client.create(SERVICES, service("two", type="NodePort"))
    headless = await world.client.create(SERVICES, service("three", clusterIP="None"))

    address = one["spec"]["clusterIP"]
    assert address.startswith("10.96.")
    assert one["spec"]["clusterIPs"] == [address]
    assert two["spec"]["clusterIP"] != address
    assert 30000 <= two["spec"]["ports"][0]["nodePort"] <= 32767
    assert headless["spec"]["clusterIPs"] == ["None"]
    with pytest.raises(ApiError) as e:
        await world.client.create(SERVICES, service("four", clusterIP=address))
    assert "provided IP is already allocated" in e.value.message
    replaced = service("one", ports=[{"port": 81}])
    replaced["metadata"]["resourceVersion"] = one["metadata"]["resourceVersion"]
    assert (await world.client.update(SERVICES, replaced))["spec"]["clusterIP"] == address
