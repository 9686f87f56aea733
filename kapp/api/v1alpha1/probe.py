"""Probe: how to see whether a command is ready; the fields are those of Kubernetes' core/v1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from kapp.api.schema import defaulted
from kapp.api.v1alpha1.meta import Port
from kapp.machinery.status import Cause


class ExecAction(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A command that succeeds when it exits with 0.

    Attributes:
        command: The program and its arguments; run in the directory of what is probed.
    """

    command: list[str]


class HTTPHeader(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A header of a request.

    Attributes:
        name: Its name.
        value: Its value.
    """

    name: str
    value: str = ""


class HTTPGetAction(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A request that succeeds with a status of 200 to 399.

    Attributes:
        port: Where to ask.
        host: Whom to ask; localhost if empty.
        path: What to ask for.
        scheme: HTTP or HTTPS, whose certificate is not checked.
        http_headers: Headers to send.
    """

    port: Port
    host: str = ""
    path: str = ""
    scheme: str = ""
    http_headers: list[HTTPHeader] = []


class TCPSocketAction(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A connection that succeeds when it is taken.

    Attributes:
        port: Where to connect.
        host: Whom to; localhost if empty.
    """

    port: Port
    host: str = ""


class Probe(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How to see whether something is ready; exactly one of exec, httpGet and tcpSocket.

    Attributes:
        exec: A command.
        http_get: A request.
        tcp_socket: A connection.
        initial_delay_seconds: How long to wait at first.
        timeout_seconds: How long one try may take.
        period_seconds: From one try to the next.
        success_threshold: How many successes in a row make it ready.
        failure_threshold: How many failures in a row make it unready.
    """

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: Annotated[int, defaulted(1)] = 1
    period_seconds: Annotated[int, defaulted(10)] = 10
    success_threshold: Annotated[int, defaulted(1)] = 1
    failure_threshold: Annotated[int, defaulted(3)] = 3


def check_probe(probe: Probe, path: str) -> Iterable[Cause]:
    """What is wrong with a probe, as Kubernetes' ValidateProbe sees it."""
    actions = [probe.exec, probe.http_get, probe.tcp_socket]
    if sum(action is not None for action in actions) != 1:
        yield Cause(
            path,
            "Required value: exactly one of exec, httpGet and tcpSocket",
            "FieldValueRequired",
        )
    if probe.exec is not None and not probe.exec.command:
        yield Cause(f"{path}.exec.command", "Required value", "FieldValueRequired")
    if probe.http_get is not None and probe.http_get.scheme.upper() not in ("", "HTTP", "HTTPS"):
        yield Cause(
            f"{path}.httpGet.scheme",
            f'Unsupported value: "{probe.http_get.scheme}": supported values: "HTTP", "HTTPS"',
        )
    for name in ("timeout", "period"):
        if getattr(probe, f"{name}_seconds") < 1:
            yield Cause(f"{path}.{name}Seconds", "Invalid value: must be greater than 0")
    for name in ("success", "failure"):
        if getattr(probe, f"{name}_threshold") < 1:
            yield Cause(f"{path}.{name}Threshold", "Invalid value: must be greater than 0")
    if probe.initial_delay_seconds < 0:
        yield Cause(
            f"{path}.initialDelaySeconds", "Invalid value: must be greater than or equal to 0"
        )
