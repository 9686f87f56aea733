"""Resources of one engine for more than one Cluster: applied, pruned and deleted there."""

from __future__ import annotations

import uuid

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.cluster import (
    Cluster,
    ClusterConnection,
    ClusterSpec,
    KubernetesClusterConnection,
)
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply, KubernetesApplySpec
from kapp.api.v1alpha1.meta import ObjectMeta
from kapp.cluster import kubeconfig
from kapp.engine.down import down

from .conftest import CONFIG_MAPS, NAMESPACES, Project, applied, config_map, eventually


async def test_a_resource_has_the_cluster_it_names(project: Project) -> None:
    """The other Cluster is another namespace of the same server: as much another to kapp."""
    namespace = f"other-{uuid.uuid4().hex[:8]}"
    client = project.cluster.client
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await client.create(NAMESPACES, made)
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    objects = TypedClient(engine.client)
    context = kubeconfig.load(project.kubeconfig).context
    spec = KubernetesClusterConnection(context=context, namespace=namespace)
    await objects.ensure(
        Cluster(
            metadata=ObjectMeta(name="other"),
            spec=ClusterSpec(connection=ClusterConnection(kubernetes=spec)),
        )
    )
    for name in ("b", "c"):
        await objects.ensure(
            KubernetesApply(
                metadata=ObjectMeta(name=name),
                spec=KubernetesApplySpec(yaml=config_map(name), cluster="other"),
            )
        )
    for name in ("uncategorized", "b", "c"):
        await applied(engine, name)

    async def names(space: str) -> set[str]:
        listed = await client.list(CONFIG_MAPS, space)
        found = {obj["metadata"]["name"] for obj in listed.items} - {"kube-root-ca.crt"}
        return {name for name in found if not name.startswith("kapp-")}

    assert await names(project.namespace) == {"a"}
    assert await names(namespace) == {"b", "c"}
    await objects.delete(KubernetesApply, "c")

    async def pruned() -> bool:
        return await names(namespace) == {"b"}

    await eventually(pruned)
    assert await names(project.namespace) == {"a"}
    await engine.close()
    result = await down(project.kappfile)
    assert set(result.deleted) == {
        f"ConfigMap/{project.namespace}/a",
        f"ConfigMap/{namespace}/b",
    }
    await client.delete(NAMESPACES, namespace)
