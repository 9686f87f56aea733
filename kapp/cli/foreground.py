"""What commands share that run an engine in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from kapp.cli.engines import kappfile_path
from kapp.cli.render import EXIT_INTERRUPTED
from kapp.errors import UsageError
from kapp.instance import Instance

if TYPE_CHECKING:
    from kapp.engine.engine import Engine


def kappfile_to_run(option: str) -> str:
    """The Kappfile that `-f OPTION` means. Raises UsageError; KappError if an engine runs it."""
    kappfile = kappfile_path(option)
    if not os.path.isfile(kappfile):
        raise UsageError(f"there is no file {kappfile}", hint="name a Kappfile with -f PATH")
    # Again, and for good, by the engine's lock; here before a cluster is started for nothing.
    instance = Instance(kappfile)
    if instance.is_running():
        from kapp.engine.engine import already_running

        raise already_running(instance)
    return kappfile


def stop_on_signals(engine: Engine) -> asyncio.Event:
    """End in order at the first Ctrl-C, which sets the event; at a second one, at once."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if interrupted.is_set():
            os._exit(EXIT_INTERRUPTED)
        interrupted.set()
        engine.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return interrupted
