"""Starts and stops controllers, and shares reflectors between them.

Two controllers (or a controller and another reader) that watch the same thing share one
`Reflector`: same client, resource, namespace, selectors and transform. It runs while anyone uses
it, and stops with its last user.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from kapp.aio.supervise import TaskGroup, cancel
from kapp.machinery.objects import Object, Resource
from kapp.runtime.client import Client
from kapp.runtime.controller import STOP_TIMEOUT_S, Controller, Source
from kapp.runtime.reflector import Reflector

_log = logging.getLogger(__name__)

_Transform: TypeAlias = Callable[[Object], Object] | None
_ShareKey: TypeAlias = tuple[int, Resource, str, str, str, _Transform]


class _Shared:
    """A reflector, how many use it, and the task that runs it."""

    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector
        self.users = 0
        self.task: asyncio.Task[None] | None = None


class Manager:
    """Owns controllers and the reflectors they read from.

    Controllers and reflectors may be added before and after `start()`; what is added after runs
    at once.
    """

    def __init__(self, name: str = "manager") -> None:
        self._tasks = TaskGroup(name)
        self._controllers: list[Controller] = []
        self._shared: dict[_ShareKey, _Shared] = {}
        self._started = False
        self._closed = asyncio.Event()

    def add(self, controller: Controller) -> Controller:
        """Take over a controller; it starts with the manager, or now."""
        self._controllers.append(controller)
        if self._started:
            self._start(controller)
        return controller

    async def remove(self, controller: Controller) -> None:
        """Stop one controller, and the reflectors that only it used."""
        if controller not in self._controllers:
            return
        self._controllers.remove(controller)
        await controller.close()
        if self._started:
            for source in controller.sources:
                await self.release(self._find(source).reflector)

    def reflector(
        self,
        client: Client,
        resource: Resource,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        *,
        transform: Callable[[Object], Object] | None = None,
    ) -> Reflector:
        """The shared reflector for that collection; it runs until each user has released it."""
        key = (id(client), resource, namespace, label_selector, field_selector, transform)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(
                Reflector(
                    client, resource, namespace, label_selector, field_selector, transform=transform
                )
            )
        shared.users += 1
        if self._started:
            self._run(shared)
        return shared.reflector

    async def release(self, reflector: Reflector) -> None:
        """Give back what `reflector()` returned; the last user stops it."""
        for key, shared in list(self._shared.items()):
            if shared.reflector is reflector:
                shared.users -= 1
                if shared.users <= 0:
                    del self._shared[key]
                    if shared.task is not None:
                        await cancel(shared.task)

    def start(self) -> None:
        """Run every reflector and controller."""
        self._started = True
        for shared in self._shared.values():
            self._run(shared)
        for controller in self._controllers:
            self._start(controller)

    async def run(self) -> None:
        """`start()`, then wait until `close()`; closes when cancelled."""
        self.start()
        try:
            await self._closed.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop everything, within about half a second. Safe to call twice."""
        self._closed.set()
        controllers, self._controllers = self._controllers, []
        closing = TaskGroup("closing")
        tasks = [closing.spawn(c.close(), c.name) for c in controllers]
        if tasks:
            await asyncio.wait(tasks)
        self._shared.clear()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._tasks.close()
        except TimeoutError:
            _log.error("reflectors did not stop")

    def _run(self, shared: _Shared) -> None:
        if shared.task is None:
            reflector = shared.reflector
            shared.task = self._tasks.spawn(reflector.run(), reflector.resource.group_resource)

    def _start(self, controller: Controller) -> None:
        controller.start([self._find(source, use=True).reflector for source in controller.sources])

    def _find(self, source: Source, *, use: bool = False) -> _Shared:
        if use:
            self.reflector(
                source.client,
                source.resource,
                source.namespace,
                source.label_selector,
                source.field_selector,
                transform=source.transform,
            )
        return self._shared[
            id(source.client),
            source.resource,
            source.namespace,
            source.label_selector,
            source.field_selector,
            source.transform,
        ]
