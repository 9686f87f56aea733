"""Where the volume behind a claim is on this machine."""

from __future__ import annotations

from pathlib import Path

from kapp.machinery.objects import annotations_of
from kapp.machinery.status import ApiError
from kapp.minicluster.node.environment import ConfigMissing
from kapp.minicluster.node.volumes import empty_directory, prepare_host_path
from kapp.minicluster.resources import CLAIMS, VOLUMES
from kapp.runtime.client import Client


async def claim_path(client: Client, namespace: str, name: str) -> str:
    """The directory of a bound claim, made if need be. Raises ConfigMissing."""
    try:
        claim = await client.get(CLAIMS, name, namespace)
        if (claim.get("status") or {}).get("phase") != "Bound":
            raise ConfigMissing(f'persistentvolumeclaim "{name}" is not bound')
        volume = await client.get(VOLUMES, claim["spec"]["volumeName"])
    except ApiError as error:
        if error.code != 404:
            raise
        raise ConfigMissing(error.message) from error
    source = volume["spec"].get("hostPath") or volume["spec"].get("local")
    if not source:
        kind = next(iter(set(volume["spec"]) - {"capacity", "accessModes"}), "other")
        raise ConfigMissing(f"the embedded cluster has no {kind} volumes")
    if "pv.kubernetes.io/provisioned-by" in annotations_of(volume):
        return empty_directory(Path(source["path"]))
    return prepare_host_path(source)
