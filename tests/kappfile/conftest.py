from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kapp.kappfile.caches import EvaluationCache
from kapp.kappfile.context import KubeContextInfo
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.evaluate import evaluate
from kapp.kappfile.model import Result


class Project:
    """A directory with a Kappfile; `run` and `fails` evaluate it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = EvaluationCache()
        self.env: Mapping[str, str] = {}
        self.context = KubeContextInfo("kind-test", "default", is_local=True)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self,
        text: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        args: tuple[str, ...] = (),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Result:
        if text is not None:
            self.write("Kappfile", text)
        return evaluate(
            self.root / "Kappfile",
            args=args,
            context=self.context,
            env=self.env if env is None else env,
            cancelled=cancelled,
            cache=self.cache,
        )

    def fails(self, text: str | None = None) -> KappfileError:
        with pytest.raises(KappfileError) as caught:
            self.run(text)
        return caught.value

    def fails_at(self, path: Path) -> KappfileError:
        """The error of a Kappfile of another name."""
        with pytest.raises(KappfileError) as caught:
            evaluate(path, context=self.context, env=self.env, cache=self.cache)
        return caught.value

    def report(self, text: str | None = None) -> str:
        """The whole error text, the project's directory replaced by ROOT."""
        return self.fails(text).report().replace(str(self.root), "ROOT")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


GO = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: example-go
  labels:
    app: example-go
spec:
  selector:
    matchLabels:
      app: example-go
  template:
    metadata:
      labels:
        app: example-go
    spec:
      containers:
      - name: example-go
        image: example-go:1
        ports:
        - containerPort: 8000
"""


@pytest.fixture
def go(project: Project) -> Project:
    """A project whose `kubernetes.yaml` holds one Deployment, `example-go`."""
    project.write("kubernetes.yaml", GO)
    return project
