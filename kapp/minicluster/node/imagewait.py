"""What a container without its image waits in, and which events tell of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kapp.minicluster.node import images
from kapp.minicluster.node.state import ContainerState


def wait_for_image(
    tell: Callable[..., None],
    container: ContainerState,
    spec: dict[str, Any],
    problem: images.Problem,
) -> None:
    """Wait for an image that will never come; a failed pull is told of twice, as kubelet does.

    `tell` records an event of the container: reason, message, warning.

    Source: EnsureImageExists in k8s.io/kubernetes/pkg/kubelet/images/image_manager.go.
    """
    image = spec.get("image") or ""
    if problem.reason != images.PULL_FAILED:
        kind = "InspectFailed" if problem.reason == "InvalidImageName" else problem.reason
        tell(kind, problem.message, warning=True)
        tell("Failed", f"Error: {problem.reason}", warning=True)
        container.hopeless = True
        container.wait(problem.reason, problem.message)
    elif container.reason == images.PULL_FAILED:
        tell("BackOff", f'Back-off pulling image "{image}"')
        tell("Failed", f"Error: {images.BACK_OFF}", warning=True)
        container.hopeless = True
        text = f'Back-off pulling image "{image}": {problem.reason}: {problem.message}'
        container.wait(images.BACK_OFF, text)
    else:
        tell("Pulling", f'Pulling image "{image}"')
        tell("Failed", f"Failed to pull image: {problem.message}", warning=True)
        tell("Failed", f"Error: {problem.reason}", warning=True)
        container.wait(problem.reason, problem.message)
