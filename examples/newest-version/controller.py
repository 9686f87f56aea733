"""Reacts whenever kapp has applied a new version of something: prints it, and runs a command.

    kopf run --standalone --all-namespaces controller.py

With KUBECONFIG from `kapp kubeconfig`; see README.md. An ordinary kopf controller: nothing in it is
kapp's but the names of the kind and its fields.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import kopf

COMMAND = os.environ.get("ON_NEW_VERSION", "")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False  # kapp's API has no events
    # Between two engines there is none: try again, for an hour.
    settings.networking.error_backoffs = [0.2, 0.5, *[1] * 3600]
    settings.watching.reconnect_backoff = 0.2


@kopf.on.field("kapp.dev", "v1alpha1", "kubernetesapplys", field="status.resultYAML")
async def react(name: str, old: str | None, new: str | None, **_: Any) -> None:
    """Called once for each version that the cluster has taken."""
    if not new:
        return
    images = sorted({line.split("image:")[1].strip() for line in _lines(new, "image:")})
    what = "a first" if old is None else "a new"
    print(f"{name}: {what} version is applied: {', '.join(images) or 'no images'}", flush=True)
    if COMMAND:
        environment = {**os.environ, "NAME": name, "RESULT_YAML": new}
        process = await asyncio.create_subprocess_shell(COMMAND, env=environment)
        await process.wait()


def _lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]
