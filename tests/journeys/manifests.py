"""Manifests for journeys: small, quick to start, the same on every cluster."""

from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def web(page: str = "one", *, name: str = "web") -> str:
    """The example's Deployment under another name, with another page."""
    text = (EXAMPLES / "kubernetes.yaml").read_text()
    return text.replace("Hello from example-go", page).replace("example-go", name)
