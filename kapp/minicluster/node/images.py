"""Images, which are not pulled: what is wrong with one anyhow, in kubelet's words. Pure.

A container fails as on a real node when its image cannot be had at all: its name is no name, its
registry's host ends in `.invalid` (RFC 6761: that never exists), or the container has no command
of its own, so that it cannot run without the image. All other containers run their command.

Source: k8s.io/kubernetes/pkg/kubelet/images/image_manager.go and, for names,
github.com/distribution/reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

PULL_FAILED = "ErrImagePull"
BACK_OFF = "ImagePullBackOff"

_HUB, _HUB_PREFIX = "docker.io", "library/"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[\w][\w.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
_ONLY_HEX = re.compile(r"[a-f0-9]{64}")


class Problem(NamedTuple):
    """Why a container cannot have its image; `reason` is its waiting state's."""

    reason: str
    message: str


def problem_of(container: Mapping[str, Any]) -> Problem | None:
    """What is wrong with a container's image; None if its command can run."""
    image = str(container.get("image") or "")
    if text := name_problem(image):
        prefix = (
            f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}"'
        )
        return Problem("InvalidImageName", f"{prefix}: {text}")
    host = registry_of(image).partition(":")[0]
    if host == "invalid" or host.endswith(".invalid"):
        why = f'failed to resolve reference "{image}": lookup {host}: no such host'
    elif not container.get("command"):
        why = (
            f'container "{container.get("name")}" has no command, and the embedded cluster pulls '
            "no images: it runs commands of this machine; give the container a `command:`"
        )
    else:
        return None
    if container.get("imagePullPolicy") == "Never":
        text = f'Container image "{image}" is not present with pull policy of Never'
        return Problem("ErrImageNeverPull", f"{text}: {why}")
    return Problem(PULL_FAILED, f'failed to pull image "{image}": {why}')


def name_problem(image: str) -> str:
    """Why a text is no reference to an image; "" if it is one."""
    if _ONLY_HEX.fullmatch(image):
        text = "cannot specify 64-byte hexadecimal strings"
        return f"invalid repository name ({image}), {text}"
    host, path = _split(image)
    name = path.partition("@")[0]
    colon = name.rfind(":")
    repository = name[:colon] if colon > name.rfind("/") else name
    if repository.lower() != repository:
        prefix = _HUB_PREFIX if host == _HUB and "/" not in repository else ""
        return f"invalid reference format: repository name ({prefix}{repository}) must be lowercase"
    return "" if _REFERENCE.fullmatch(image) else "invalid reference format"


def registry_of(image: str) -> str:
    """The registry's host, with a port if it is named."""
    return _split(image)[0]


def _split(image: str) -> tuple[str, str]:
    """The host and the rest; a first part without a dot or a port is no host."""
    first, slash, rest = image.partition("/")
    is_host = "." in first or ":" in first or first == "localhost" or first.lower() != first
    return (first, rest) if slash and is_host else (_HUB, image)
