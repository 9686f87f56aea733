"""The loop of the live view: objects, logs, keys and resizes in, a screen out.

Everything only marks the view as out of date; one place paints, at most so often, and waits until
the terminal took it. A terminal that is slow or stopped therefore holds back the reading of logs,
whose store says what was dropped meanwhile, and never the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import datetime

from kapp.aio.outputthread import OutputThread
from kapp.aio.supervise import TaskGroup, cancel
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.cli.live import keys, panel
from kapp.cli.live.rows import rows_of
from kapp.cli.live.screen import Screen
from kapp.logs.store import LogStore
from kapp.logs.view import LogView, ViewOptions

# Faster than anyone reads, and a burst of changes becomes one repaint.
_FRAME_S = 0.05
# Of rendered log text that waits for the next frame; beyond it the store keeps the rest.
_PENDING_CHARACTERS = 65536
# Context that a newly filtered resource is shown with.
_FILTER_TAIL_LINES = 10
# A terminal that is blocked at the end must not keep the process.
_LEAVE_TIMEOUT_S = 0.5


class LiveView:
    """What `kapp up` shows on a terminal.

    Args:
        resources: gives the UIResources as they are now; asked after `resources_changed`.
        logs: what resources print.
        trigger: applies a resource again; raises KappError.
        now: wall time.
        colour: whether the terminal takes colours.
    """

    def __init__(
        self,
        resources: Callable[[], list[UIResource]],
        logs: LogStore,
        *,
        trigger: Callable[[str], Awaitable[str]],
        now: Callable[[], datetime],
        colour: bool,
    ) -> None:
        self._resources = resources
        self._logs = logs
        self._trigger = trigger
        self._now = now
        self._colour = colour
        self._screen = Screen()
        self._output = OutputThread(sys.stdout.fileno())
        self._view = LogView(ViewOptions(prefix=True, color=colour))
        self._state = panel.Panel([])
        self._changed = asyncio.Event()
        self._stale = True
        self._resized = False
        self._pending: list[str] = []
        self._pending_size = 0
        self._taken = asyncio.Event()
        self._tasks = TaskGroup("live view")
        self._reader: asyncio.Task[None] | None = None
        self._keys = sys.stdin.isatty()

    def resources_changed(self) -> None:
        """Some UIResource was written."""
        self._stale = True
        self._changed.set()

    def print(self, text: str) -> None:
        """Show whole lines among the logs."""
        self._pending.append(text)
        self._pending_size += len(text)
        self._changed.set()

    async def run(self) -> None:
        """Show until cancelled, then give the terminal back as it was."""
        with contextlib.ExitStack() as stack:
            set_up = stack.enter_context(keys.reading(self._on_key)) if self._keys else None
            stack.enter_context(_on_signal(signal.SIGWINCH, self._on_resize))
            stack.enter_context(_on_signal(signal.SIGCONT, lambda: self._on_continue(set_up)))
            self._follow(None, None)
            try:
                await self._paint_for_ever()
            finally:
                await self._tasks.close()
                with contextlib.suppress(OSError, TimeoutError):
                    text = self._take() + self._screen.leave()
                    await asyncio.wait_for(self._output.write(text), _LEAVE_TIMEOUT_S)

    async def _paint_for_ever(self) -> None:
        painted: list[str] = []
        while True:
            self._changed.clear()
            if self._stale:
                self._stale = False
                self._state = self._state._replace(rows=rows_of(self._resources()))
            size = _size()
            lines = panel.render(
                self._state, size, self._now(), colour=self._colour, keys=self._keys
            )
            text, resized, self._resized = self._take(), self._resized, False
            if text or resized or lines != painted:
                painted = lines
                drawn = self._screen.update(text, lines)
                if resized:
                    drawn = self._screen.resized(lines, size.rows)
                await self._output.write(drawn)
                await asyncio.sleep(_FRAME_S)
            wait_s = panel.next_change_s(self._state.rows, self._now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    # -- logs

    def _follow(self, resource: str | None, tail: int | None) -> None:
        before, self._reader = self._reader, self._tasks.spawn(self._read(resource, tail), "logs")
        if before is not None:
            self._tasks.spawn(cancel(before), "end logs")

    async def _read(self, resource: str | None, tail: int | None) -> None:
        wanted = None if resource is None else [resource]
        async with aclosing(self._logs.read(wanted, tail=tail, follow=True)) as entries:
            async for entry in entries:
                await self._put(self._view.render(entry))

    async def _put(self, text: str) -> None:
        self.print(text)
        while self._pending_size > _PENDING_CHARACTERS:
            self._taken.clear()
            await self._taken.wait()

    def _take(self) -> str:
        text = "".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self._taken.set()
        return text

    # -- what the user does

    def _on_resize(self) -> None:
        self._resized = True
        self._changed.set()

    def _on_continue(self, set_up: Callable[[], None] | None) -> None:
        if set_up is not None:
            set_up()
        self._on_resize()

    def _on_key(self, key: str) -> None:
        state = self._state._replace(notice="")
        if key in ("up", "down"):
            state = state._replace(chosen=self._neighbour(1 if key == "down" else -1))
        elif key == "f":
            state = self._toggle_filter(state)
        elif key == "t" and state.chosen:
            state = state._replace(notice=f"triggering {state.chosen}")
            self._tasks.spawn(self._run_trigger(state.chosen), "trigger")
        elif key == "t":
            state = state._replace(notice="choose a resource first, with the arrow keys")
        elif key == "q":
            signal.raise_signal(signal.SIGINT)
        self._state = state
        self._changed.set()

    def _neighbour(self, step: int) -> str:
        names = panel.order_of(self._state, _size())
        if not names:
            return ""
        if self._state.chosen not in names:
            return names[0] if step > 0 else names[-1]
        return names[min(max(names.index(self._state.chosen) + step, 0), len(names) - 1)]

    def _toggle_filter(self, state: panel.Panel) -> panel.Panel:
        if state.filtered:
            self._follow(None, 0)
            return state._replace(filtered="")
        if not state.chosen:
            return state._replace(notice="choose a resource first, with the arrow keys")
        self._follow(state.chosen, _FILTER_TAIL_LINES)
        return state._replace(filtered=state.chosen)

    async def _run_trigger(self, name: str) -> None:
        self._state = self._state._replace(notice=await self._trigger(name))
        self._changed.set()


def _size() -> panel.Size:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, rows = 80, 24
    # A terminal that does not know its size says 0.
    return panel.Size(columns or 80, rows or 24)


@contextlib.contextmanager
def _on_signal(number: signal.Signals, handler: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
