"""What namespaces promise: isolation, nothing left on the host, nothing that outlives a kill."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kapp.minicluster.node.runtime import Mount, ProcessSpec, Runtime
from kapp.minicluster.resources import ENDPOINT_SLICES, SERVICES

from .conftest import Cluster, container, host_traces, shell, until

ECHO = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)"


def _alive(text: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_text():
                found.append(int(path.parent.name))
    return found


@pytest.mark.root
async def test_two_pods_listen_on_the_same_port(cluster: Cluster, python: str) -> None:
    await cluster.start_node(mode="namespaces")
    probe = {"tcpSocket": {"port": 8000}}
    for name in ("one", "two"):
        await cluster.run(container(python, "-c", ECHO, readinessProbe=probe), name=name)
    await cluster.ready("one")
    await cluster.ready("two")
    address = (await cluster.pod("two"))["status"]["podIP"]
    script = f"import urllib.request as u; print(u.urlopen('http://{address}:8000').status)"
    assert await cluster.output(container(python, "-c", script)) == "200\n"


@pytest.mark.root
async def test_writes_do_not_reach_the_host(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")
    before = host_traces()
    target = cluster.state_dir.parent / "host-file"
    target.write_text("host\n")
    text = await cluster.output(
        shell(
            f"echo pod > {target}; cat {target}; mkdir /new && echo made; hostname; "
            f"ls {cluster.state_dir} | wc -l; "
            f"rm -rf {target.parent}/* 2>/dev/null; ls /proc | grep -c '^1$'"
        )
    )
    assert text == "pod\nmade\npod\n0\n1\n"
    assert target.read_text() == "host\n"
    assert not Path("/new").exists()
    assert host_traces() == before
    await cluster.node.close()
    assert host_traces() == before
    assert os.listdir(cluster.state_dir / "rootfs") == []


@pytest.mark.root
async def test_a_container_cannot_touch_the_host(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")
    text = await cluster.output(
        shell(
            "mount -t tmpfs none /mnt 2>/dev/null || echo no-mount; "
            "mknod /tmp/disk b 254 0 2>/dev/null || echo no-device; "
            "(echo 1 > /proc/sys/vm/swappiness) 2>/dev/null || echo no-sysctl; "
            "touch /sys/x 2>/dev/null || echo no-sys"
        )
    )
    assert text.splitlines() == ["no-mount", "no-device", "no-sysctl", "no-sys"]


@pytest.mark.root
async def test_hidden_directories_and_a_read_only_root(cluster: Cluster) -> None:
    secret = cluster.state_dir.parent / "secret"
    secret.mkdir()
    (secret / "token").touch()
    await cluster.start_node(mode="namespaces", hidden=[secret])
    text = await cluster.output(
        shell(
            f"ls {secret} | wc -l; (touch /etc/x) 2>/dev/null || echo read-only; "
            "touch /data/x /dev/shm/x && echo writable",
            securityContext={"readOnlyRootFilesystem": True},
            volumeMounts=[{"name": "v", "mountPath": "/data"}],
        ),
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert text == "0\nread-only\nwritable\n"


@pytest.mark.root
async def test_the_host_network(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('there')"
        text = await cluster.output(container(sys.executable, "-c", script), hostNetwork=True)
    assert text == "there\n"


@pytest.mark.root
async def test_pods_have_no_way_out_and_learn_it_at_once(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")
    script = (
        "import socket\n"
        "try: socket.create_connection(('192.0.2.1', 80), timeout=10)\n"
        "except OSError as e: print(e.strerror)\n"
    )
    assert await cluster.output(container(sys.executable, "-c", script)) == (
        "Network is unreachable\n"
    )


@pytest.mark.root
async def test_users(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")
    context = {"runAsUser": 65534, "runAsGroup": 65534, "supplementalGroups": [4242]}
    text = await cluster.output(shell("id -u; id -g; id -G"), securityContext=context)
    assert text == "65534\n65534\n65534 4242\n"


@pytest.mark.root
async def test_services_have_names_and_addresses(cluster: Cluster, python: str) -> None:
    await cluster.start_node(mode="namespaces")
    probe = {"tcpSocket": {"port": 8000}}
    await cluster.run(container(python, "-c", ECHO, readinessProbe=probe), name="server")
    await cluster.ready("server")
    address = (await cluster.pod("server"))["status"]["podIP"]
    meta = {"namespace": "default", "name": "web"}
    await cluster.client.create(
        SERVICES,
        {
            "apiVersion": "v1", "kind": "Service", "metadata": dict(meta),
            "spec": {"clusterIP": "10.96.0.55", "ports": [{"port": 80, "targetPort": 8000}]},
        },
    )  # fmt: skip
    await cluster.client.create(
        ENDPOINT_SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": meta | {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8000}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
    )  # fmt: skip
    script = (
        "import urllib.request as u, os\n"
        "for name in 'web', 'web.default.svc.cluster.local', os.environ['WEB_SERVICE_HOST']:\n"
        "    print(u.urlopen(f'http://{name}').status)\n"
    )
    await until(lambda: cluster.node.network.variables("default"))
    await until(lambda: cluster.node.network._servers)
    assert await cluster.output(container(python, "-c", script), name="caller") == "200\n" * 3


_RUN_NODE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from kapp.minicluster.node.runtime import ProcessSpec, Runtime
async def main():
    runtime = Runtime(Path(sys.argv[1]), on_exit=lambda *_: None, mode=sys.argv[4])
    await runtime.start()
    await runtime.create_pod("uid", "pod", "10.244.0.2")
    script = f"setsid sleep {sys.argv[2]} & trap '' TERM HUP; sleep {sys.argv[2]}; true"
    await runtime.start_process(
        "key", "uid", ProcessSpec(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"}), [0, 1, 2])
    print(runtime._child.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("victim", "mode"),
    [("node", "namespaces"), ("shim", "namespaces"), ("node", "processes")],
)
async def test_nothing_survives_a_kill(tmp_path: Path, victim: str, mode: str) -> None:
    before = host_traces()
    marker = (
        f"7{os.getpid()}{'1' if victim == 'node' else '2'}{'1' if mode == 'processes' else '2'}"
    )
    root = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", _RUN_NODE, str(tmp_path), marker, root, mode],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    ) as node:  # fmt: skip
        try:
            assert node.stdout is not None
            shim = int(await asyncio.to_thread(node.stdout.readline))
            await until(lambda: len(_alive(f"sleep\0{marker}")) == 2)
            os.kill(node.pid if victim == "node" else shim, signal.SIGKILL)
            await until(lambda: not _alive(f"sleep\0{marker}"))
        finally:
            node.kill()
    assert host_traces() == before


_BECOME_NOBODY = (
    "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def _python_for_others() -> str:
    """An interpreter that another user may start: this one, or the system's."""
    real = Path(os.path.realpath(sys.executable))
    if all(parent.stat().st_mode & 0o001 for parent in real.parents):
        return str(real)
    return "/usr/bin/python3"


async def _run(runtime: Runtime, key: str, spec: ProcessSpec) -> str:
    """Start a process in the pod `uid` and return what it writes."""
    reading, writing = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        await runtime.start_process(key, "uid", spec, [null, writing, writing])
    finally:
        os.close(writing)
        os.close(null)
    with open(reading) as output:
        return await asyncio.to_thread(output.read)


@pytest.mark.root
async def test_without_root() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        state_dir, volume = Path(scratch) / "node", Path(scratch) / "volume"
        for directory in (Path(scratch), state_dir, state_dir / "rootfs", volume):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o777)
        (volume / "value").write_text("hello\n")
        launcher = [sys.executable, "-c", _BECOME_NOBODY] if os.geteuid() == 0 else []
        runtime = Runtime(
            state_dir, on_exit=lambda *_: None, mode="namespaces", launcher=launcher,
            python=_python_for_others(),
        )  # fmt: skip
        await runtime.start()
        try:
            assert "unprivileged" in runtime.reason
            await runtime.create_pod("uid", "pod", "10.244.0.2")
            script = (
                "id -u; hostname; cat /data/config/value; sed s/^/etc-/ /etc/app/value; "
                "touch /usr/x 2>/dev/null || echo no-write; touch /tmp/x && echo tmp"
            )
            mounts = [Mount(str(volume), "/data/config"), Mount(str(volume), "/etc/app", True)]
            spec = ProcessSpec(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"}, mounts=mounts)
            text = await _run(runtime, "key", spec)
        finally:
            await runtime.close()
    assert text.split() == ["0", "pod", "hello", "etc-hello", "no-write", "tmp"]


async def test_what_a_killed_shim_left_is_ended_by_the_next(tmp_path: Path) -> None:
    marker = f"8{os.getpid()}"
    first = Runtime(tmp_path, on_exit=lambda *_: None, mode="processes")
    await first.start()
    await first.create_pod("uid", "pod", "127.0.0.1")
    script = f"setsid sleep {marker} & wait"
    spec = ProcessSpec(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"}, cwd="/")
    await first.start_process("key", "uid", spec, [0, 1, 2])
    await until(lambda: _alive(f"sleep\0{marker}"))
    assert first._child is not None
    first._child.kill()
    await first.close()
    second = Runtime(tmp_path, on_exit=lambda *_: None, mode="processes")
    await second.start()
    try:
        assert not _alive(f"sleep\0{marker}")
    finally:
        await second.close()
