"""What evaluations of a Kappfile leave for the next one; the engine keeps one for each Kappfile."""

from __future__ import annotations

from kapp.kappfile.manifests import ManifestCache
from kapp.kappfile.renders import RenderCache


class EvaluationCache:
    """Documents that were parsed and printed, and charts that were rendered."""

    def __init__(self) -> None:
        self.manifests = ManifestCache()
        self.renders = RenderCache()

    def begin(self) -> None:
        """A new evaluation starts."""
        self.manifests.begin()
        self.renders.begin()
