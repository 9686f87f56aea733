"""What a user can do about what does not run, by the reason that Kubernetes gives. Pure."""

from __future__ import annotations

_IMAGE = "check the image's name and tag, and that the cluster may pull it"
_CONFIG = "check that the ConfigMaps, Secrets and keys that the container names exist"
_CURES = {
    "CrashLoopBackOff": "its last lines say why: `kapp logs {name}`",
    "Error": "its last lines say why: `kapp logs {name}`",
    "OOMKilled": "raise the container's memory limit, or let it need less",
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "ErrImageNeverPull": "load the image into the cluster, or change imagePullPolicy",
    "InvalidImageName": "write it as `name:tag` or `registry/name:tag`, in lower case",
    "CreateContainerConfigError": _CONFIG,
    "RunContainerError": "check the container's command and its volumes",
    "StartError": "check that the container's command exists in its image",
    "Unschedulable": "ask for less cpu or memory, or make room on a node",
}


def cure(reason: str, name: str) -> str:
    """A hint for the resource of that name; "" for a reason that none is known for."""
    return _CURES.get(reason, "").format(name=name)
