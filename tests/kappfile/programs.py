"""The programs that Kappfiles call in tests.

helm is the one that KAPP_TEST_HELM names (tests/realcluster builds it), else the stand-in beside
this file. kustomize is the real one inside the development tools' kubectl.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

REAL_HELM = os.environ.get("KAPP_TEST_HELM", "")
STAND_IN = Path(__file__).with_name("programs") / "helm"
KUBECTL = Path(sys.executable).with_name("kubectl")


def tool(directory: Path, name: str, program: Path, *, logged: bool = True) -> Path:
    """A program of that name which runs `program`, and leaves a line in NAME.log for each run."""
    directory.mkdir(exist_ok=True)
    script = directory / name
    log = f'echo "$@" >> "{directory / name}.log"\n' if logged else ""
    launcher = f'"{sys.executable}" "{program}"' if program == STAND_IN else f'"{program}"'
    script.write_text(f'#!/bin/sh\n{log}exec {launcher} "$@"\n')
    script.chmod(0o755)
    return script


def runs(directory: Path, name: str) -> Callable[[], int]:
    """Counts how often a `tool` has run."""
    log = directory / f"{name}.log"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0
