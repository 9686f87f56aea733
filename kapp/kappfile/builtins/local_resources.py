"""Resources that are commands: `local_resource` with its probes, and `k8s_custom_deploy`."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from kapp.kappfile.assembly.declarations import CustomDeploy, DeclaredLocal
from kapp.kappfile.builtins.kubernetes import TOPIC as KUBERNETES
from kapp.kappfile.builtins.kubernetes import TRIGGER_MODES, choice, label, link_of
from kapp.kappfile.builtins.local import TOPIC, command_line
from kapp.kappfile.builtins.ports import port
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.model import Command, LocalResource, TriggerMode
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call, Session
from kapp.kappfile.values import (
    KIND,
    Value,
    boolean,
    integer,
    items,
    kind_of,
    not_yet,
    one_of,
    optional_string,
    resource_name,
    string,
    string_dict,
    strings,
    wrong,
)

PROBE, EXEC, HTTP_GET, TCP_SOCKET = "probe", "exec_action", "http_get_action", "tcp_socket_action"


def command_of(
    session: Session, argument: str, value: Value, directory: Value, env: Value
) -> Command | None:
    """A command with what it runs in; None if none is given."""
    if value in (None, "", []):
        return None
    return Command(
        tuple(command_line(argument, value)),
        session.resolve(optional_string("dir", directory)),
        tuple(string_dict("env", env or {}).items()),
    )


def ignores_of(session: Session, value: Value) -> tuple[tuple[Path, str], ...]:
    """`ignore=`: patterns that start at the directory of the file that is executed."""
    return tuple((session.directory, pattern) for pattern in strings("ignore", value))


@builtin(
    "local_resource",
    topic=TOPIC,
    example=(
        "local_resource('tests', 'go test ./...', deps=['src'])\n"
        "local_resource('web', serve_cmd='python3 -m http.server 8000',\n"
        "    readiness_probe=probe(http_get=http_get_action(8000)))"
    ),
)
def local_resource(
    call: Call,
    name: Value,
    cmd: Value = "",
    deps: Value = None,
    trigger_mode: Value = None,
    resource_deps: Value = (),
    ignore: Value = (),
    auto_init: Value = True,
    serve_cmd: Value = "",
    cmd_bat: Value = "",
    serve_cmd_bat: Value = "",
    allow_parallel: Value = False,
    links: Value = (),
    labels: Value = (),
    env: Value = None,
    serve_env: Value = None,
    readiness_probe: Value = None,
    dir_: Value = "",
    serve_dir: Value = "",
) -> None:
    """Run a command on this machine when files change, or keep a server running, or both.

    With both, the server is started again each time the command has succeeded. A server that ends
    is started again. Whatever ends them, the engine's end included, ends all processes that they
    started as well.

    Args:
        name: of the resource.
        cmd: a command that runs to its end: a string for the shell, or a list of words.
        deps: files and directories whose change runs it again.
        trigger_mode: TRIGGER_MODE_AUTO, or TRIGGER_MODE_MANUAL to wait for `kapp trigger`.
        resource_deps: resources that must have been ready once before it runs.
        ignore: patterns, as in a .dockerignore file, of what in `deps` does not count.
        auto_init: whether it runs when kapp starts.
        serve_cmd: a command that is kept running.
        cmd_bat: the command on Windows, where kapp does not run.
        serve_cmd_bat: as cmd_bat.
        allow_parallel: whether `cmd` runs beside others; else they run one after the other.
        links: URLs, `link(…)`, or a list.
        labels: names to group resources by.
        env: variables added to the environment of `cmd`.
        serve_env: … and of `serve_cmd`.
        readiness_probe: `probe(…)`; without one, a server is ready while it runs.
        dir: where `cmd` runs; by default the directory of the file that is executed.
        serve_dir: … and `serve_cmd`.
    """
    session = call.session
    job = command_of(session, "cmd", cmd, dir_, env)
    server = command_of(session, "serve_cmd", serve_cmd, serve_dir, serve_env)
    if job is None and server is None:
        raise KappfileError(
            "needs a cmd, a serve_cmd, or both", hint="local_resource('NAME', 'COMMAND')"
        )
    name = resource_name(name)
    if readiness_probe is not None and kind_of(readiness_probe) != PROBE:
        raise wrong("readiness_probe", "probe(…)", readiness_probe)
    if readiness_probe is not None and server is None:
        session.warn(
            f"local_resource: `{name}` has a readiness_probe, but no serve_cmd to probe",
            str(call.frames[-1]),
        )
    frames = call.frames
    resource = LocalResource(
        name=name,
        cmd=job,
        serve_cmd=server,
        deps=tuple(session.resolve(path) for path in strings("deps", deps)),
        ignores=ignores_of(session, ignore),
        auto_init=boolean("auto_init", auto_init),
        resource_deps=tuple(strings("resource_deps", resource_deps)),
        allow_parallel=boolean("allow_parallel", allow_parallel),
        links=tuple(link_of(item) for item in items(links)),
        labels=tuple(label(item) for item in strings("labels", labels)),
        readiness_probe=readiness_probe["spec"] if readiness_probe is not None else None,
        location=str(frames[-1]) if frames else "",
    )
    mode = cast("TriggerMode | None", choice("trigger_mode", trigger_mode, TRIGGER_MODES))
    session.declared.local_resources.append(DeclaredLocal(resource, mode, frames))


@builtin(
    "k8s_custom_deploy",
    topic=KUBERNETES,
    example=(
        "k8s_custom_deploy('web', deps=['web'],\n"
        "    apply_cmd='kubectl apply -f web/ -o yaml', delete_cmd='kubectl delete -f web/')\n"
        "k8s_resource('web', port_forwards=8000)"
    ),
)
def k8s_custom_deploy(
    call: Call,
    name: Value,
    apply_cmd: Value,
    delete_cmd: Value,
    deps: Value,
    image_selector: Value = "",
    live_update: Value = (),
    apply_dir: Value = "",
    apply_env: Value = None,
    apply_cmd_bat: Value = "",
    delete_dir: Value = "",
    delete_env: Value = None,
    delete_cmd_bat: Value = "",
    container_selector: Value = "",
    image_deps: Value = (),
) -> None:
    """Deploy by a command of your own; its pods are forwarded and logged as any resource's.

    The commands find the cluster by $KUBECONFIG.

    Args:
        name: of the resource, which `k8s_resource` configures further.
        apply_cmd: prints what it applied, as `kubectl apply -o yaml` does.
        delete_cmd: deletes that: when the resource leaves, is disabled, or on `kapp down`.
        deps: files and directories whose change runs apply_cmd again.
        image_selector: accepted for Tiltfiles, as kapp builds no images yet.
        live_update: not part of kapp yet.
        apply_dir: where apply_cmd runs; by default the directory of the file that is executed.
        apply_env: variables added to its environment.
        apply_cmd_bat: the command on Windows, where kapp does not run.
        delete_dir: where delete_cmd runs.
        delete_env: variables added to its environment.
        delete_cmd_bat: as apply_cmd_bat.
        container_selector: as image_selector.
        image_deps: as image_selector.
    """
    session = call.session
    not_yet("live_update", live_update)
    apply = command_of(session, "apply_cmd", apply_cmd, apply_dir, apply_env)
    delete = command_of(session, "delete_cmd", delete_cmd, delete_dir, delete_env)
    if apply is None or delete is None:
        raise KappfileError(
            "needs an apply_cmd and a delete_cmd", hint="both are commands for the shell, or lists"
        )
    name = resource_name(name)
    paths = tuple(session.resolve(path) for path in strings("deps", deps))
    session.declared.custom_deploys.append(CustomDeploy(name, apply, delete, paths, call.frames))


@builtin(
    "probe",
    topic=TOPIC,
    returns_struct=True,
    example="ready = probe(period_secs=5, tcp_socket=tcp_socket_action(5432))",
    starlark="""def {id}(initial_delay_secs=0, timeout_secs=1, period_secs=10, success_threshold=1,
        failure_threshold=3, exec=None, http_get=None, tcp_socket=None):
    return _kapp_value({py}(call_stack(strip_frames=1), initial_delay_secs, timeout_secs,
        period_secs, success_threshold, failure_threshold, exec, http_get, tcp_socket))
""",
)
def probe(
    call: Call,
    initial_delay_secs: Value = 0,
    timeout_secs: Value = 1,
    period_secs: Value = 10,
    success_threshold: Value = 1,
    failure_threshold: Value = 3,
    exec_: Value = None,
    http_get: Value = None,
    tcp_socket: Value = None,
) -> Value:
    """A readiness probe with the meaning of Kubernetes': exactly one of the last three.

    Args:
        initial_delay_secs: how long to wait at first.
        timeout_secs: how long one try may take.
        period_secs: from one try to the next.
        success_threshold: how many successes in a row make it ready.
        failure_threshold: how many failures in a row make it unready.
        exec: `exec_action(…)`.
        http_get: `http_get_action(…)`.
        tcp_socket: `tcp_socket_action(…)`.
    """
    given = {"exec": (EXEC, exec_), "httpGet": (HTTP_GET, http_get),
             "tcpSocket": (TCP_SOCKET, tcp_socket)}  # fmt: skip
    actions = {}
    for field, (kind, value) in given.items():
        if value is None:
            continue
        if kind_of(value) != kind:
            raise wrong(kind.removesuffix("_action"), f"{kind}(…)", value)
        actions[field] = value["spec"]
    if len(actions) != 1:
        raise KappfileError(
            "needs exactly one of exec, http_get and tcp_socket",
            hint="such as probe(http_get=http_get_action(8000))",
        )
    spec = {
        "initialDelaySeconds": _at_least(0, "initial_delay_secs", initial_delay_secs),
        "timeoutSeconds": _at_least(1, "timeout_secs", timeout_secs),
        "periodSeconds": _at_least(1, "period_secs", period_secs),
        "successThreshold": _at_least(1, "success_threshold", success_threshold),
        "failureThreshold": _at_least(1, "failure_threshold", failure_threshold),
    }
    return {KIND: PROBE, "spec": spec | actions}


def _at_least(least: int, argument: str, value: Value) -> int:
    if integer(argument, value) < least:
        raise KappfileError(f"`{argument}` must be at least {least}")
    return int(value)


@builtin(
    "exec_action",
    topic=TOPIC,
    returns_struct=True,
    example="ready = probe(exec=exec_action(['pg_isready']))",
)
def exec_action(call: Call, command: Value) -> Value:
    """For `probe`: a command that exits with 0 when all is well.

    Args:
        command: a list of words; it runs where the server does.
    """
    if not isinstance(command, list) or not command:
        raise wrong("command", "a list of words", command)
    return {KIND: EXEC, "spec": {"command": strings("command", command)}}


@builtin(
    "http_get_action",
    topic=TOPIC,
    returns_struct=True,
    example="ready = probe(http_get=http_get_action(8000, path='/healthz'))",
)
def http_get_action(
    call: Call, port_: Value, host: Value = "localhost", scheme: Value = "http", path: Value = ""
) -> Value:
    """For `probe`: a request that is answered with a status from 200 to 399 when all is well.

    Args:
        port: where to ask.
        host: whom to ask.
        scheme: `'http'`, or `'https'`, whose certificate is not checked.
        path: what to ask for.
    """
    spec: dict[str, Any] = {
        "port": port("port", port_),
        "host": string("host", host),
        "scheme": one_of("scheme", string("scheme", scheme).lower(), ("http", "https")).upper(),
        "path": optional_string("path", path),
    }
    return {KIND: HTTP_GET, "spec": spec}


@builtin(
    "tcp_socket_action",
    topic=TOPIC,
    returns_struct=True,
    example="ready = probe(tcp_socket=tcp_socket_action(5432))",
)
def tcp_socket_action(call: Call, port_: Value, host: Value = "localhost") -> Value:
    """For `probe`: a connection that is taken when all is well.

    Args:
        port: where to connect.
        host: whom to.
    """
    return {KIND: TCP_SOCKET, "spec": {"port": port("port", port_), "host": string("host", host)}}
