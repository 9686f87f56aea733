"""The process that stands between the engine and a command, and ends all of it.

Run as a script with the standard library alone:
`python -I -S keeper.py GRACE_S MODE STDOUT HELD ARGV…`.

    stdin   a pipe that only the engine holds: its end (close, exit, `kill -9`) stops the command
    stdout  a line of JSON for each of {"started": pid}, {"failed": text}, {"exited": code}
    stderr  where the command's output goes: both streams, or stdout to the descriptor STDOUT

The command leads a session of its own. To stop it, SIGTERM goes to all its descendants, and SIGKILL
to those that are left after the grace period; orphans among them are found because this process is
their subreaper (Linux; elsewhere, what left the process group is not found). MODE is what happens
to them when the command ends by itself: `take` ends them too, `leave` lets them run.
HELD is a descriptor that this process alone keeps open until it ends, or -1.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STDERR = 2
_FIRST_LOOK_S = 0.01
_MAX_LOOK_S = 0.2
# A process that forks while it is killed is caught in one of the next rounds.
_KILL_ROUNDS = 20
_HAS_PROC = os.path.isdir("/proc/self")


def main(arguments: list[str]) -> None:
    """Run a command until it ends or stdin does."""
    grace_s, mode, argv = float(arguments[0]), arguments[1], arguments[4:]
    if (held := int(arguments[3])) >= 0:
        os.set_inheritable(held, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    command = Command(argv, int(arguments[2]))
    stopped = command.started and _stopped_before_end(command, woken)
    if command.started and (stopped or mode == "take"):
        command.stop(grace_s)
    command.report_end()


class Command:
    """The command and everything it started."""

    def __init__(self, argv: list[str], stdout: int) -> None:
        self.pid = 0
        self.code: int | None = None
        self._reported = False
        failed, failing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(argv, stdout, failing)
        os.close(failing)
        if stdout != _STDERR:
            os.close(stdout)
        with os.fdopen(failed, "rb") as reading:
            failure = reading.read().decode(errors="replace")
        self.started = not failure
        if failure:
            os.waitpid(pid, 0)
            _say({"failed": failure})
            self._reported = True
            return
        self.pid = pid
        _say({"started": pid})

    def reap(self) -> None:
        """Collect what ended; notes the command's own exit code."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.pid:
                    self.code = os.waitstatus_to_exitcode(status)

    def report_end(self) -> None:
        """Say how it ended, once."""
        if self.code is not None and not self._reported:
            self._reported = True
            _say({"exited": self.code})

    def stop(self, grace_s: float) -> None:
        """End all of it: politely, then not."""
        self._signal(signal.SIGTERM)
        deadline, look_s = time.monotonic() + grace_s, _FIRST_LOOK_S
        while self._living():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(look_s, left_s))  # noqa: TID251 -- a process of its own, with no loop
            look_s = min(look_s * 1.5, _MAX_LOOK_S)
        for _ in range(_KILL_ROUNDS):
            if not self._living():
                return
            self._signal(signal.SIGKILL)
            time.sleep(_FIRST_LOOK_S)  # noqa: TID251 -- as above
        self.reap()

    def _living(self) -> bool:
        self.reap()
        if _descendants():
            return True
        if self.code is None:
            return True
        if _HAS_PROC:
            return False
        with contextlib.suppress(OSError):
            os.killpg(self.pid, 0)
            return True
        return False

    def _signal(self, number: int) -> None:
        # The group first, all at once: a member that is signalled alone might be replaced. Once it
        # is empty, its number may be another's.
        found = _descendants()
        if self.code is None or self.pid in found.values() or not _HAS_PROC:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, number)
        for pid, group in found.items():
            if group != self.pid or number == signal.SIGKILL:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)


def _stopped_before_end(command: Command, woken: int) -> bool:
    """Wait; whether it was the engine that had enough."""
    while True:
        command.reap()
        if command.code is not None:
            command.report_end()
            return False
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                if set(os.read(woken, 512)) - {signal.SIGCHLD}:
                    return True
        if 0 in ready and not os.read(0, 512):
            return True


def _become(argv: list[str], stdout: int, failing: int) -> None:
    """In the forked child: turn into the command, or say why not."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT,
                       signal.SIGHUP, signal.SIGXFSZ):  # fmt: skip
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(stdout, 1)
        if stdout != _STDERR:
            os.close(stdout)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(failing, (error.strerror or str(error)).encode())
    except ValueError as error:
        os.write(failing, str(error).encode())
    os._exit(127)


def _descendants() -> dict[int, int]:
    """Living descendants of this process and their process groups; none where there is no /proc."""
    parents: dict[int, int] = {}
    groups: dict[int, int] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        # A dead one may have living children until it is collected.
        parents[int(name)] = int(parent)
        if state not in (b"Z", b"X"):
            groups[int(name)] = int(group)
    own, found = os.getpid(), set()
    children: dict[int, list[int]] = {}
    for child, its_parent in parents.items():
        children.setdefault(its_parent, []).append(child)
    waiting = [own]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return {pid: groups[pid] for pid in found if pid in groups}


def _prctl(option: int, value: int) -> None:
    if _HAS_PROC:
        import ctypes

        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _say(message: dict[str, object]) -> None:
    # Nobody listens any more when the engine was killed.
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
