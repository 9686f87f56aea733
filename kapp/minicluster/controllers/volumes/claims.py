"""One pass over one claim: find or make its volume, and let it go when nobody uses it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    annotations_of,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.volumes.matching import (
    claimed_by,
    class_of,
    find_volume,
    is_bound,
)
from kapp.minicluster.resources import CLAIMS, VOLUMES
from kapp.runtime.client import Client, PatchType
from kapp.runtime.reflector import Reflector

PROVISIONER = "kapp.dev/directory"
"""Of classes whose volumes are directories of the embedded cluster's node."""
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"

_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
_COMPLETED = "pv.kubernetes.io/bind-completed"
_PROVISIONED = "pv.kubernetes.io/provisioned-by"


class ClaimReconciler:
    """Looks after one claim. One worker only: a volume is given once.

    Args:
        client: the cluster.
        claims: mirror of claims.
        volumes: mirror of volumes, indexed by nothing.
        all_volumes: every volume.
        classes: the storage classes.
        pods: mirror of Pods, indexed by the keys of their claims.
        root: where directories are made.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        claims: Mirror,
        volumes: Mirror,
        all_volumes: Reflector,
        classes: Reflector,
        pods: Mirror,
        root: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes
        self._all_volumes = all_volumes
        self._classes = classes
        self._pods = pods
        self._root = root
        self._recorder = Recorder(client, "persistentvolume-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass."""
        claim = self._claims.get(key)
        if claim is None:
            return None
        try:
            if is_deleting(claim):
                await self._release(claim)
            elif not is_bound(claim):
                await self._bind(claim)
        except ApiError as e:
            # Somebody changed it meanwhile: its event wakes this again. Gone: nothing to do.
            if e.code not in (404, 409):
                raise
        return None

    async def _release(self, claim: Object) -> None:
        """Let a deleted claim go, once no pod uses it."""
        finalizers = metadata_of(claim).get("finalizers") or []
        if CLAIM_FINALIZER not in finalizers or self._pods.by(str(key_of(claim))):
            return
        staying = [f for f in finalizers if f != CLAIM_FINALIZER]
        await self._patch(CLAIMS, claim, {"metadata": {"finalizers": staying or None}})

    async def _bind(self, claim: Object) -> None:
        known = {name_of(v): v for v in self._all_volumes.list()}
        volumes = [self._volumes.get(ObjectKey("", name)) for name in known]
        volume = find_volume(claim, [v for v in volumes if v is not None])
        if volume is None:
            if claim["spec"].get("volumeName"):
                return
            volume = await self._provide(claim)
            if volume is None:
                return
        if not claimed_by(volume, claim) or not volume["spec"]["claimRef"].get("uid"):
            volume = await self._claim_volume(volume, claim)
        await self._complete(claim, volume)

    async def _provide(self, claim: Object) -> Object | None:
        """Make a volume for the claim, if its class is the cluster's own."""
        name = class_of(claim)
        if not name:
            text = "no persistent volumes available for this claim and no storage class is set"
            await self._recorder.normal(claim, "FailedBinding", text)
            return None
        found = self._classes.get(ObjectKey("", name))
        if found is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            await self._recorder.warning(claim, "ProvisioningFailed", text)
            return None
        if found.get("provisioner") != PROVISIONER:
            text = (
                "Waiting for a volume to be created either by the external provisioner "
                f"'{found.get('provisioner')}' or manually by the system administrator. If volume "
                "creation is delayed, please verify that the provisioner is running and correctly "
                "registered."
            )
            await self._recorder.normal(claim, "ExternalProvisioning", text)
            return None
        volume = directory_volume(claim, found, self._root)
        try:
            made = await self._client.create(VOLUMES, volume)
        except ApiError as e:
            if e.reason != "AlreadyExists":
                raise
            made = await self._client.get(VOLUMES, name_of(volume))
        text = f"Successfully provisioned volume {name_of(made)}"
        await self._recorder.normal(claim, "ProvisioningSucceeded", text)
        return self._volumes.wrote(made)

    async def _claim_volume(self, volume: Object, claim: Object) -> Object:
        meta: dict[str, Any] = {}
        if not volume["spec"].get("claimRef"):
            meta["annotations"] = {_BY_CONTROLLER: "yes"}
        patch = {"metadata": meta, "spec": {"claimRef": reference_to(claim)}}
        return self._volumes.wrote(await self._patch(VOLUMES, volume, patch))

    async def _complete(self, claim: Object, volume: Object) -> None:
        annotations = {_COMPLETED: "yes"}
        if not claim["spec"].get("volumeName"):
            annotations[_BY_CONTROLLER] = "yes"
        wanted = {"metadata": {"annotations": annotations}, "spec": {"volumeName": name_of(volume)}}
        bound = claim
        if any(annotations_of(claim).get(k) != v for k, v in annotations.items()):
            bound = self._claims.wrote(await self._patch(CLAIMS, claim, wanted))
        status = {
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes"),
            "capacity": deepcopy(volume["spec"].get("capacity")),
        }
        self._claims.wrote(
            await self._client.update(CLAIMS, {**bound, "status": status}, subresource="status")
        )

    async def _patch(self, resource: Resource, obj: Object, patch: dict[str, Any]) -> Object:
        key = key_of(obj)
        patch["metadata"] = {**patch.get("metadata", {}), "uid": uid_of(obj)}
        return await self._client.patch(resource, key.name, patch, PatchType.MERGE, key.namespace)


def reference_to(claim: Object) -> dict[str, str]:
    """What a volume says of the claim that has it."""
    key = key_of(claim)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": key.name,
        "namespace": key.namespace,
        "resourceVersion": str(metadata_of(claim).get("resourceVersion") or ""),
        "uid": uid_of(claim),
    }


def directory_volume(claim: Object, storage_class: Object, root: Path) -> Object:
    """A volume that is a directory, made for one claim and named after it."""
    name = f"pvc-{uid_of(claim)}"
    spec = claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_PROVISIONED: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "claimRef": reference_to(claim),
            "hostPath": {"path": str(root / name), "type": "DirectoryOrCreate"},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": name_of(storage_class),
            "volumeMode": spec.get("volumeMode") or "Filesystem",
        },
    }
