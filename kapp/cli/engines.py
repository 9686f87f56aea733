"""Finding the engine a command is about, and talking to it over its Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Collection
from typing import Any

from kapp.errors import KappError, UsageError
from kapp.instance import KAPPFILE, Instance, all_instances, find_kappfile

# Plenty for an engine that is alive on the same machine.
_CONNECT_TIMEOUT_S = 5.0
# It answers at once, or not at all; but kubeconfig waits until the API's own port is open.
_ANSWER_S = 5.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("kapp", timeout=_CONNECT_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def kappfile_path(option: str) -> str:
    """The Kappfile that `-f OPTION` names, or the one at or above the working directory.

    A directory means the Kappfile in it. Raises UsageError if none is named and none is found.
    The file need not exist if it is named.
    """
    if option:
        return os.path.join(option, KAPPFILE) if os.path.isdir(option) else option
    found = find_kappfile(os.getcwd())
    if found is None:
        raise UsageError(
            f"there is no {KAPPFILE} here or in a directory above",
            hint="name one with -f PATH, or change to the project's directory",
        )
    return found


def running_instance(file: str, *, option: str = "-f") -> Instance:
    """The running engine by its Kappfile, by the one here or above, or by being the only one.

    `option` is how the command is told the file. Raises KappError if the engine does not run, or if
    several could be meant.
    """
    found = kappfile_path(file) if file else find_kappfile(os.getcwd())
    if found is not None:
        instance = Instance(found)
        if instance.is_running():
            return instance
        raise KappError(f"no engine runs for {instance.kappfile}", hint="start it with `kapp up`")
    running = [one for one in all_instances() if one.is_running()]
    if len(running) == 1:
        return running[0]
    if running:
        raise UsageError(
            "several engines run: " + ", ".join(one.kappfile for one in running),
            hint=f"choose one with {option} PATH",
        )
    raise KappError(
        "no engine runs, and there is no Kappfile here or above",
        hint=f"start one with `kapp up`, or name a Kappfile with {option} PATH",
    )


def connect(instance: Instance, timeout_s: float | None) -> http.client.HTTPConnection:
    """An open connection to an engine; `timeout_s` is for each part of an answer, None for ever.

    The caller closes it, or the response of its one request. Raises KappError if nothing answers.
    """
    connection = _UnixConnection(instance.socket)
    try:
        connection.connect()
    except OSError as error:
        connection.close()
        raise _no_answer(instance, error) from error
    connection.sock.settimeout(timeout_s)
    return connection


def request(
    instance: Instance,
    method: str,
    path: str,
    body: Any = None,
    *,
    streaming: bool = False,
    content_type: str = "application/json",
    allowed: Collection[int] = (),
) -> http.client.HTTPResponse:
    """One request to an engine; the caller reads and closes the response.

    `streaming` waits for each part of the answer for ever. Raises KappError if nothing answers or
    the answer is no success, nor one of the `allowed` codes.
    """
    timeout_s = None if streaming else _ANSWER_S
    response = send(instance, method, path, body, content_type=content_type, timeout_s=timeout_s)
    if response.status >= http.client.BAD_REQUEST and response.status not in allowed:
        with response:
            text = _message_of(response.read())
        raise KappError(text or f"the engine answered {response.status}")
    return response


def send(
    instance: Instance,
    method: str,
    path: str,
    body: Any = None,
    *,
    content_type: str = "application/json",
    timeout_s: float | None,
) -> http.client.HTTPResponse:
    """One request to an engine, whatever it answers; the caller reads and closes the response.

    `timeout_s` is for each part of the answer, None for ever. Raises KappError if nothing answers.
    """
    connection = connect(instance, timeout_s)
    payload = None if body is None else json.dumps(body)
    # One request a connection: closing its response closes all there is.
    headers = {"Connection": "close"} | ({} if payload is None else {"Content-Type": content_type})
    try:
        connection.request(method, path, payload, headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _no_answer(instance, error) from error


def _no_answer(instance: Instance, error: Exception) -> KappError:
    return KappError(
        f"the engine of {instance.kappfile} does not answer: {error}",
        hint="look at the terminal where `kapp up` runs, or start it again",
    )


def _message_of(body: bytes) -> str:
    try:
        status = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip()
    return str(status.get("message", "")) if isinstance(status, dict) else ""
