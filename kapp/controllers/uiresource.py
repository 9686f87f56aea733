"""UIResource: one object per resource that says all there is to say about it.

Woken by its own objects, and by the KubernetesApply, KubernetesDiscovery, Cmds and Kappfile whose
parts it brings together (`kapp.controllers.uistatus`, `kapp.controllers.localstatus`).
Writes nothing but its status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.cmd import Cmd
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscovery
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION
from kapp.api.v1alpha1.uiresource import READY, UIResource
from kapp.cluster.cures import cure
from kapp.controllers.kappfileobjects import serve_name
from kapp.controllers.localstatus import status_of_cmds
from kapp.controllers.logsink import LogSink
from kapp.controllers.uistatus import status_of_apply, status_of_kappfile
from kapp.machinery.objects import Object, ObjectKey, metadata_of, name_of


class UIResourceReconciler:
    """Reconciles UIResources.

    Args:
        objects: kapp's API.
        log: where it is said that what runs has failed.
        now: wall time.
    """

    def __init__(self, objects: TypedClient, log: LogSink, now: Callable[[], datetime]) -> None:
        self._objects = objects
        self._log = log
        self._now = now
        # The reason that was said last of each resource, until it is ready.
        self._said: dict[str, str] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring the parts together."""
        ui = await self._objects.get(UIResource, key.name)
        if ui is None:
            self._said.pop(key.name, None)
            return None
        before = encode(ui)
        kappfile = await self._objects.get(Kappfile, MAIN)
        if key.name == MAIN:
            if kappfile is not None:
                ui.status = status_of_kappfile(ui, kappfile, self._now())
        else:
            apply = await self._objects.get(KubernetesApply, key.name)
            error = kappfile.status.error if kappfile is not None else ""
            if apply is None:
                await self._set_local(ui, error)
            else:
                discovery = await self._objects.get(KubernetesDiscovery, key.name)
                ui.status = status_of_apply(ui, apply, discovery, error, self._now())
                self._say(ui)
        await self._objects.write_status(ui, before)
        return None

    def _say(self, ui: UIResource) -> None:
        """Write a failure into the log once: a crash loop fails again and again."""
        ready = next((one for one in ui.status.conditions if one.type == READY), None)
        if ready is None or ready.status == "True":
            self._said.pop(ui.name, None)
        elif ui.status.runtime_status == "error" and self._said.get(ui.name) != ready.reason:
            self._said[ui.name] = ready.reason
            hint = cure(ready.reason, ui.name)
            text = f"{ready.reason}: {ready.message}\n" + (f"hint: {hint}\n" if hint else "")
            self._log.write(ui.name, text, level="error")

    async def _set_local(self, ui: UIResource, kappfile_error: str) -> None:
        job = await self._objects.get(Cmd, ui.name)
        server = await self._objects.get(Cmd, serve_name(ui.name))
        if job is not None and job.spec.keep_running:
            job, server = None, job
        if job is not None or server is not None:
            ui.status = status_of_cmds(ui, job, server, kappfile_error, self._now())


def resource_key(obj: Object) -> Iterable[ObjectKey]:
    """For the source of Cmds: the resource that one belongs to."""
    annotations = metadata_of(obj).get("annotations") or {}
    return (ObjectKey("", annotations.get(RESOURCE_ANNOTATION) or name_of(obj)),)


def keys_of_kappfile(obj: Object) -> Iterable[ObjectKey]:
    """For the source of Kappfiles: its own UIResource, and those of its resources.

    Its resources are concerned only when an error comes or goes; `error_changed` tells.
    """
    yield ObjectKey("", name_of(obj))
    for name in (obj.get("status") or {}).get("resources") or ():
        yield ObjectKey("", name)


def own_key_of_kappfile(obj: Object) -> Iterable[ObjectKey]:
    """For the source of Kappfiles: its own UIResource alone."""
    return (ObjectKey("", name_of(obj)),)


def error_changed(new: Object, old: Object | None) -> bool:
    """Whether a Kappfile's error came, went or changed."""
    return old is None or _error(new) != _error(old)


def _error(obj: Object) -> str:
    return str((obj.get("status") or {}).get("error") or "")
