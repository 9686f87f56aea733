"""`port_forward` in its two forms, and the other ways to write a forward."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import ipaddress
import re

from kapp.kappfile.assembly.declarations import PortForwardStatement
from kapp.kappfile.errors import ArgumentError, KappfileError
from kapp.kappfile.model import PortForward
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call, Session
from kapp.kappfile.values import KIND, Value, items, kind_of, optional_string, wrong

TOPIC = "Kubernetes"

MAX_PORT = 65535
DEFAULT_HOST = "localhost"
_FORMS = "write 8000, '8000:8080' or '0.0.0.0:8000:8080'"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def port(argument: str, value: Value) -> int:
    """A port number from 1 to 65535."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(argument, "a port number", value)
    if not 0 < value <= MAX_PORT:
        raise ArgumentError(
            f"`{argument}` must be a port from 1 to {MAX_PORT}, not {value}", argument
        )
    return value


def parse_ports(argument: str, text: str) -> PortForward:
    """`8000`, `8000:8080` or `host:8000:8080`."""
    *hosts, ports = re.split(r":(?=\d+:\d+$)", text)
    numbers = ports.split(":")
    if not all(number.isascii() and number.isdigit() for number in numbers) or len(numbers) > 2:
        raise KappfileError(f"`{argument}`: '{text}' is no port forward", hint=_FORMS)
    local = port(argument, int(numbers[0]))
    container = port(argument, int(numbers[1])) if len(numbers) == 2 else 0
    return PortForward(local, container, _host(hosts[0]) if hosts else DEFAULT_HOST)


def _host(value: str) -> str:
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if ":" in bare or bare != value:
        try:
            return str(ipaddress.IPv6Address(bare))
        except ValueError as error:
            raise KappfileError(f"`host`: '{value}' is no host name or address") from error
    if not _HOST.fullmatch(bare):
        raise KappfileError(f"`host`: '{value}' is no host name or address")
    return bare


def forwards_of(session: Session, argument: str, value: Value) -> list[PortForward]:
    """Everything that `port_forwards=` accepts."""
    found = []
    for item in items(value):
        if isinstance(item, str):
            found.append(parse_ports(argument, item))
        elif kind_of(item) == "port_forward":
            session.unused_forwards.pop(item["id"], None)
            found.append(
                PortForward(
                    item["local_port"],
                    item["container_port"] or 0,
                    item["host"] or DEFAULT_HOST,
                    item["name"] or "",
                    item["link_path"] or "",
                )
            )
        elif isinstance(item, int) and not isinstance(item, bool):
            found.append(PortForward(port(argument, item)))
        else:
            raise wrong(argument, "a port, a string or port_forward(…), or a list of these", item)
    return found


@builtin(
    "port_forward",
    topic=TOPIC,
    returns_struct=True,
    example=(
        "k8s_yaml('kubernetes.yaml')\n"
        "port_forward('example-go', 8000)\n"
        "k8s_resource('example-go', port_forwards=[port_forward(9090, 8080, name='metrics')])"
    ),
    starlark="""def {id}(*args, local_port=None, container_port=None, name=None, link_path=None,
        host=None):
    return _kapp_value({py}(call_stack(strip_frames=1), list(args),
        local_port=local_port, container_port=container_port, name=name, link_path=link_path,
        host=host))
""",
)
def port_forward(
    call: Call,
    *args: Value,
    local_port: Value = None,
    container_port: Value = None,
    name: Value = None,
    link_path: Value = None,
    host: Value = None,
) -> Value:
    """Connect a port of this machine to a resource's newest pod.

    As a statement, `port_forward('web', 8000)` or `port_forward('web', 8000, 8080)` adds the
    forward to the resource `web`, wherever in the file it stands. As a value, `port_forward(8000)`,
    `port_forward(8000, 8080)` is an item of `k8s_resource(port_forwards=[…])`.

    Args:
        args: the resource (in a statement), then local_port, container_port, name, link_path, host.
        local_port: the port on this machine.
        container_port: the port in the pod; by default its first declared port.
        name: shown with the forward's link.
        link_path: path of the forward's link, such as `/docs`.
        host: the address to listen on; `localhost` by default.
    """
    positional = list(args[0])  # the prelude passes them as one list
    resource = ""
    if positional and isinstance(positional[0], str) and not _is_ports(positional[0]):
        resource = positional.pop(0)
    names = ("local_port", "container_port", "name", "link_path", "host")
    given = dict(zip(names, (local_port, container_port, name, link_path, host), strict=True))
    if len(positional) > len(names):
        raise KappfileError("too many arguments", hint="port_forward('web', 8000, 8080)")
    for key, value in zip(names, positional, strict=False):
        if given[key] is not None:
            raise KappfileError(f"`{key}` is given twice")
        given[key] = value
    forward = _build(given, resource)
    if resource:
        call.session.declared.port_forwards.append(
            PortForwardStatement(resource, forward, call.frames)
        )
        return None
    return _as_value(call, forward)


def _is_ports(text: str) -> bool:
    return bool(re.fullmatch(r"[\d:.]+", text))


def _build(given: dict[str, Value], resource: str) -> PortForward:
    local, container = given["local_port"], given["container_port"]
    if local is None:
        example = f"port_forward('{resource or 'web'}', 8000)"
        raise KappfileError("the local port is missing", hint=f"such as {example}")
    written = parse_ports("local_port", local) if isinstance(local, str) else None
    if written is None:
        written = PortForward(port("local_port", local))
    if container is not None and container != 0:
        if written.container_port:
            raise KappfileError("`container_port` is given twice")
        container = port("container_port", container)
    host = optional_string("host", given["host"])
    return PortForward(
        written.local_port,
        container or written.container_port,
        _host(host) if host else written.host,
        optional_string("name", given["name"]),
        optional_string("link_path", given["link_path"]),
    )


def _as_value(call: Call, forward: PortForward) -> Value:
    """The struct of the value form; one that no resource ever uses is worth a warning."""
    unused = call.session.unused_forwards
    number = next(call.session.numbers)
    unused[number] = str(call.frames[-1]) if call.frames else ""
    return {
        KIND: "port_forward",
        "id": number,
        "local_port": forward.local_port,
        "container_port": forward.container_port,
        "host": forward.host,
        "name": forward.name,
        "link_path": forward.path,
    }
