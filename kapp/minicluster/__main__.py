"""`python -m kapp.minicluster --state-dir DIRECTORY`: the cluster, until SIGTERM or SIGINT.

Started in the background by `kapp.minicluster.process`, which passes `--ready-fd`: then it forks
away from its parent, and writes `ready`, or why it cannot start, to that descriptor.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from kapp import quickstart
from kapp.errors import KappError
from kapp.minicluster.statedir import Lock, StateDirectory

_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kapp.minicluster", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int, default=-1, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.ready_fd >= 0:
        os.set_inheritable(options.ready_fd, False)
        if os.fork():
            os._exit(0)
    directory = StateDirectory(options.state_dir.absolute())
    directory.make()
    # Never released: the kernel does it when the process has ended, and `stop` waits for that.
    lock = Lock(directory.lock)
    if not lock.take():
        return _refuse(options.ready_fd, "another cluster runs in this directory")
    lock.write(str(os.getpid()))
    try:
        asyncio.run(_run(directory, options.ready_fd))
    except KappError as e:
        return _refuse(options.ready_fd, e.one_line())
    finally:
        directory.description.unlink(missing_ok=True)
    return 0


async def _run(directory: StateDirectory, ready_fd: int) -> None:
    quickstart.begin()
    from kapp.minicluster.cluster import Cluster
    from kapp.minicluster.logfile import log_to

    handler = log_to(directory.log)
    if ready_fd < 0:
        logging.getLogger().addHandler(logging.StreamHandler())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    cluster = Cluster(directory)
    try:
        await cluster.start()
        quickstart.end()
        _log.info("cluster is ready", extra={"server": cluster.server_url, "pid": os.getpid()})
        _answer(ready_fd, "ready")
        await stop.wait()
        _log.info("cluster is stopping")
    except Exception:
        _log.exception("cluster failed")
        raise
    finally:
        await cluster.close()
        _log.info("cluster stopped")
        handler.flush()


def _answer(ready_fd: int, text: str) -> None:
    if ready_fd >= 0:
        os.write(ready_fd, text.encode())
        os.close(ready_fd)


def _refuse(ready_fd: int, text: str) -> int:
    if ready_fd >= 0:
        _answer(ready_fd, text)
    else:
        print(f"error: {text}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
