"""Clients that ask `localhost:PORT` all the time, and remember every answer they waited for.

Used by the journeys and by `benchmarks.rollouts`: plain sockets, no part of kapp in between. Times
are of `time.perf_counter`, whose clock containers on this machine share (on Linux).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Request:
    """One request: when it began and ended, and what came of it.

    `error`: what a user would have seen, or "".
    """

    kind: str
    started: float
    ended: float = 0.0
    body: str = ""
    error: str = ""

    @property
    def waited(self) -> float:
        """Seconds."""
        return self.ended - self.started


@dataclass
class Steady:
    """Runs `asking` threads; the list grows while they run."""

    port: int
    interval_s: float = 0.02
    requests: list[Request] = field(default_factory=list)
    reopened: int = 0
    _firsts: dict[str, Request] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def asking(self, *, new: int = 1, kept: int = 1) -> Iterator[Steady]:
        """Ask while the block runs: `new` threads connect each time, `kept` keep a connection."""
        threads = [
            threading.Thread(target=run, daemon=True)
            for run in (*(self._connect_each_time,) * new, *(self._keep_alive,) * kept)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=60)

    @property
    def failures(self) -> list[Request]:
        """Those that were refused, reset, cut short, or answered with an error."""
        return [one for one in list(self.requests) if one.error]

    def first(self, body: str) -> Request | None:
        """The first answered with a body that begins with the word `body`."""
        return self._firsts.get(body)

    def _connect_each_time(self) -> None:
        while not self._stop.wait(self.interval_s):
            request = Request("new", time.perf_counter())
            with contextlib.closing(self._connection()) as connection:
                self._ask(connection, request)
            self._done(request)

    def _keep_alive(self) -> None:
        connection = self._connection()
        while not self._stop.wait(self.interval_s):
            if connection.sock is not None and _is_at_end(connection.sock):
                # the server ended it between two requests, as HTTP allows (RFC 9112, 9.3)
                connection.close()
                self.reopened += 1
            request = Request("kept", time.perf_counter())
            used = connection.sock is not None
            try:
                self._ask(connection, request, raise_unanswered=used)
            except ConnectionError:
                # the pod ended as the request came, by FIN or, with it unread, by RST; as no byte
                # of an answer came, clients ask again (RFC 9112, 9.3.1)
                connection.close()
                self.reopened += 1
                self._ask(connection, request)
            self._done(request)
            if request.error:
                connection.close()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        request: Request,
        *,
        raise_unanswered: bool = False,
    ) -> None:
        answer: http.client.HTTPResponse | None = None
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            request.body = answer.read().decode().strip()
            if answer.status != 200:
                request.error = f"status {answer.status}"
        except ConnectionError as error:
            if raise_unanswered and answer is None:  # RemoteDisconnected is one as well
                raise
            request.error = repr(error)
        except (OSError, http.client.HTTPException) as error:
            request.error = repr(error)

    def _done(self, request: Request) -> None:
        request.ended = time.perf_counter()
        self.requests.append(request)
        self._firsts.setdefault(request.body.split(" ")[0], request)


@contextlib.contextmanager
def asking(port: int) -> Iterator[list[str]]:
    """Somebody who asks all the time, and gives up each time after two seconds; the answers."""
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
                    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answers.append(sock.recv(65536).decode())
            except OSError:
                continue

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(timeout=30)


def _is_at_end(sock: socket.socket) -> bool:
    """Whether the peer has ended the connection. A reset counts as a failure, later."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return False
    finally:
        sock.settimeout(60)
