"""`kapp get`, and what else only reads, in as little time as a process can take.

The command line goes to the engine over its Unix socket as it was typed, with the directory that
paths in it are relative to; the engine renders the answer and sends it back in frames
(kapp/engine/routes.py):

    1 byte  1 stdout, 2 stderr, 3 exit code in digits
    4 bytes length, big-endian
    …       payload

Standard library only, and of that no asyncio, ssl, http, typing or json: each would double the time
(tests/meta/test_instant_path.py holds the list).
"""

from __future__ import annotations

import os
import socket
import sys

from kapp import instance

_STDOUT, _STDERR, _EXIT = 1, 2, 3
_FRAME_HEAD_BYTES = 5
_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


def run(command: str, arguments: list[str]) -> int:
    """Run `kapp COMMAND ARGUMENTS…`; returns the exit code."""
    try:
        kappfile, arguments = _take_file_option(arguments)
        connection = _connect(kappfile)
    except _Refused as error:
        return _explain(error)
    try:
        _send(connection, command, arguments)
        return _receive(connection)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_FAILED
    finally:
        connection.close()


class _Refused(Exception):
    """Nothing can be asked; `args` are the sentence, the hint and the exit code."""


def _explain(error: _Refused) -> int:
    # kapp.cli.render costs more than the whole command.
    sentence, hint, code = error.args
    sys.stderr.write(f"error: {sentence}\nhint: {hint}\n")
    return int(code)


def _take_file_option(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Split `-f FILE`, `--file FILE` or `--file=FILE` off; it names the Kappfile, as for `up`."""
    rest: list[str] = []
    kappfile = None
    words = iter(arguments)
    for word in words:
        if word in ("-f", "--file"):
            kappfile = next(words, None)
            if kappfile is None:
                raise _Refused(
                    f"option {word} requires a value", "name a Kappfile: -f PATH", _EXIT_USAGE
                )
        elif word.startswith("--file="):
            kappfile = word.removeprefix("--file=")
        else:
            rest.append(word)
    if kappfile is not None and os.path.isdir(kappfile):
        kappfile = os.path.join(kappfile, instance.KAPPFILE)
    return kappfile, rest


def _connect(kappfile: str | None) -> socket.socket:
    found = kappfile or instance.find_kappfile(os.getcwd())
    candidates = [instance.Instance(found)] if found else []
    if not candidates:
        candidates = [one for one in instance.all_instances() if one.is_running()]
        if len(candidates) > 1:
            raise _Refused(
                "several engines run: " + ", ".join(one.kappfile for one in candidates),
                "choose one with -f PATH",
                _EXIT_USAGE,
            )
    for candidate in candidates:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(candidate.socket)
        except OSError:
            connection.close()
        else:
            return connection
    if found:
        raise _Refused(f"no engine runs for {found}", "start it with `kapp up`", _EXIT_FAILED)
    raise _Refused(
        "no engine runs, and there is no Kappfile here or above",
        "start one with `kapp up`, or name a Kappfile with -f PATH",
        _EXIT_FAILED,
    )


def _send(connection: socket.socket, command: str, arguments: list[str]) -> None:
    words = ",".join(map(_quote, arguments))
    body = f'{{"command":"{command}","args":[{words}],"cwd":{_quote(os.getcwd())}}}'.encode()
    connection.sendall(
        b"POST /kapp/v1/print HTTP/1.1\r\nHost: kapp\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


def _quote(text: str) -> str:
    """A JSON string. Bytes that are no UTF-8 were never a valid name; they go as U+FFFD."""
    clean = os.fsencode(text).decode("utf-8", "replace")
    escaped = "".join(
        f"\\u{ord(char):04x}" if char < " " or char in '"\\' else char for char in clean
    )
    return f'"{escaped}"'


def _receive(connection: socket.socket) -> int:
    with connection.makefile("rb") as reader:
        status = reader.readline()
        while reader.readline() not in (b"\r\n", b""):
            pass
        if b" 200 " not in status:
            said = status.decode(errors="replace").strip()
            sys.stderr.write(f"error: the engine answered: {said}\n")
            return _EXIT_FAILED
        outputs = {_STDOUT: sys.stdout.buffer, _STDERR: sys.stderr.buffer}
        while len(head := reader.read(_FRAME_HEAD_BYTES)) == _FRAME_HEAD_BYTES:
            payload = reader.read(int.from_bytes(head[1:], "big"))
            if head[0] == _EXIT:
                return int(payload)
            outputs[head[0]].write(payload)
            outputs[head[0]].flush()
    sys.stderr.write("error: the engine ended\nhint: start it again with `kapp up`\n")
    return _EXIT_FAILED
