from kapp.machinery.objects import Resource, name_of
from kapp.minicluster.resources import DEPLOYMENTS, SERVICES

SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)


def service(**spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec},
    }


async def endpoints(world):
    found = await world.items(SLICES)
    return [e for s in found for e in s["endpoints"]]


async def test_slices_follow_the_pods(world):
    await world.client.create(SERVICES, service())
    await world.deploy(replicas=2)

    async def two_ready():
        found = await endpoints(world)
        return len(found) == 2 and all(e["conditions"]["ready"] for e in found)

    await world.until(two_ready)
    (found,) = await world.items(SLICES)
    assert found["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert name_of(found).startswith("web-")

    await world.client.delete(DEPLOYMENTS, "web", "default")

    async def empty():
        return not await endpoints(world) and len(await world.items(SLICES)) == 1

    await world.until(empty)
    await world.client.delete(SERVICES, "web", "default")

    async def gone():
        return not await world.items(SLICES)

    await world.until(gone)
