"""One pass over one volume: say whether it is bound, and take it back when its claim has gone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    format_time,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.resources import VOLUMES
from kapp.runtime.client import Client, PatchType

VOLUME_FINALIZER = "kubernetes.io/pv-protection"


class VolumeReconciler:
    """Looks after one PersistentVolume.

    Args:
        client: the cluster.
        volumes: mirror of volumes.
        claims: mirror of claims.
        root: where the cluster's own directories are.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        volumes: Mirror,
        claims: Mirror,
        root: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._volumes = volumes
        self._claims = claims
        self._root = root
        self._now = now

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass."""
        volume = self._volumes.get(key)
        if volume is None:
            return None
        reference = volume["spec"].get("claimRef") or {}
        claim = None
        if reference.get("uid"):
            claim = self._claims.get(
                ObjectKey(reference.get("namespace") or "", reference.get("name") or "")
            )
            if claim is not None and uid_of(claim) != reference["uid"]:
                claim = None
        try:
            await self._settle(volume, claim, was_claimed=bool(reference.get("uid")))
        except ApiError as e:
            # Somebody changed it meanwhile: its event wakes this again. Gone: nothing to do.
            if e.code not in (404, 409):
                raise
        return None

    async def _settle(self, volume: Object, claim: Object | None, *, was_claimed: bool) -> None:
        if claim is not None:
            await self._tell(volume, "Bound")
            return
        if is_deleting(volume):
            await self._let_go(volume)
        elif not was_claimed:
            await self._tell(volume, "Available")
        elif volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete" and self._is_ours(
            volume
        ):
            await self._remove(volume)
        else:
            await self._tell(volume, "Released")

    def _path(self, volume: Object) -> Path:
        return Path((volume["spec"].get("hostPath") or {}).get("path") or "/")

    def _is_ours(self, volume: Object) -> bool:
        """Whether the directory is one that this cluster made, and may delete."""
        return self._path(volume) == self._root / name_of(volume)

    async def _remove(self, volume: Object) -> None:
        await asyncio.to_thread(shutil.rmtree, self._path(volume), ignore_errors=True)
        await self._client.delete(VOLUMES, name_of(volume), uid=uid_of(volume))

    async def _let_go(self, volume: Object) -> None:
        finalizers = metadata_of(volume).get("finalizers") or []
        if VOLUME_FINALIZER not in finalizers:
            return
        staying = [f for f in finalizers if f != VOLUME_FINALIZER]
        patch = {"metadata": {"uid": uid_of(volume), "finalizers": staying or None}}
        await self._client.patch(VOLUMES, key_of(volume).name, patch, PatchType.MERGE)

    async def _tell(self, volume: Object, phase: str) -> None:
        status = volume.get("status") or {}
        if status.get("phase") == phase:
            return
        time = format_time(self._now())
        wanted = {**status, "phase": phase, "lastPhaseTransitionTime": time}
        self._volumes.wrote(
            await self._client.update(VOLUMES, {**volume, "status": wanted}, subresource="status")
        )
