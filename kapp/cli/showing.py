"""What `kapp up` shows: the live view on a terminal, plain lines in a pipe and with `--stream`."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from kapp.cli.render import wants_colour

if TYPE_CHECKING:
    from kapp.engine.engine import Engine
    from kapp.logs.store import LogStore


async def show(engine: Engine, *, stream: bool) -> None:
    """Show what the engine does until cancelled; `stream` wants plain lines on a terminal too."""
    if stream or not _can_be_painted():
        try:
            await _plain(engine.logs)
        except OSError:
            # The reader (`| head`) has seen enough.
            engine.stop()
    else:
        await _live(engine)


def _can_be_painted() -> bool:
    return os.name == "posix" and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


async def _plain(logs: LogStore) -> None:
    from kapp.aio.outputthread import OutputThread
    from kapp.logs.view import LogView, ViewOptions

    output = OutputThread(sys.stdout.fileno())
    view = LogView(ViewOptions(prefix=True, color=wants_colour(sys.stdout)))
    async with aclosing(logs.read(None, follow=True)) as entries:
        async for entry in entries:
            await output.write(view.render(entry))


async def _live(engine: Engine) -> None:
    from kapp.api.define import decode
    from kapp.api.v1alpha1.uiresource import UIResource
    from kapp.cli import diagnostics
    from kapp.cli.live.view import LiveView

    resources = engine.reflector(UIResource)
    view = LiveView(
        lambda: [decode(one, UIResource) for one in resources.list()],
        engine.logs,
        trigger=engine.trigger,
        now=engine.config.now,
        colour=wants_colour(sys.stdout),
    )
    resources.subscribe(lambda *_: view.resources_changed())
    with diagnostics.shown_by(view.print):
        await view.run()
