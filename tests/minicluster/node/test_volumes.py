"""Volumes, as containers see them."""

import base64
import os

import pytest

from kapp.minicluster.node.environment import ConfigMissing
from kapp.minicluster.node.volumes import File, sub_path, write_atomically
from kapp.minicluster.resources import SECRETS

from .conftest import Cluster, shell, until


@pytest.fixture
async def node(cluster: Cluster) -> None:
    await cluster.start_node(mode="namespaces")


@pytest.mark.root
async def test_config_maps_and_secrets(cluster: Cluster, node: None) -> None:
    await cluster.config_map("config", {"a.txt": "A\n", "b.txt": "B\n"})
    await cluster.client.create(
        SECRETS,
        {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "secret", "namespace": "default"},
            "data": {"key": base64.b64encode(b"hidden\n").decode()},
        },
    )  # fmt: skip
    text = await cluster.output(
        shell(
            "cat /config/a.txt /config/b.txt /items/x/y /one /secret/key /all/key /all/name; "
            "stat -L -c %a /secret/key; touch /config/c 2>/dev/null || echo read-only",
            volumeMounts=[
                {"name": "config", "mountPath": "/config", "readOnly": True},
                {"name": "items", "mountPath": "/items"},
                {"name": "config", "mountPath": "/one", "subPath": "a.txt"},
                {"name": "secret", "mountPath": "/secret"},
                {"name": "all", "mountPath": "/all"},
            ],
        ),
        volumes=[
            {"name": "config", "configMap": {"name": "config"}},
            {
                "name": "items",
                "configMap": {"name": "config", "items": [{"key": "b.txt", "path": "x/y"}]},
            },
            {"name": "secret", "secret": {"secretName": "secret", "defaultMode": 0o400}},
            {
                "name": "all",
                "projected": {
                    "sources": [
                        {"secret": {"name": "secret"}},
                        {"configMap": {"name": "none", "optional": True}},
                        {
                            "downwardAPI": {
                                "items": [
                                    {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
                                ]
                            }
                        },
                    ]
                },
            },
        ],
    )
    lines = text.splitlines()
    assert lines[:6] == ["A", "B", "B", "A", "hidden", "hidden"]
    assert lines[6].startswith("pod400")
    assert lines[-1] == "read-only"


@pytest.mark.root
async def test_a_changed_config_map_is_seen(cluster: Cluster, node: None) -> None:
    await cluster.config_map("config", {"value": "old"})
    pod = await cluster.run(
        shell(
            "while :; do cat /config/value; echo; sleep 0.05; done",
            volumeMounts=[{"name": "config", "mountPath": "/config"}],
        ),
        volumes=[{"name": "config", "configMap": {"name": "config"}}],
    )
    await until(lambda: "old" in cluster.log(pod))
    await cluster.config_map("config", {"value": "new"})
    await until(lambda: "new" in cluster.log(pod))


@pytest.mark.root
async def test_empty_dirs_are_shared_and_fresh(cluster: Cluster, node: None) -> None:
    mounts = [
        {"name": "disk", "mountPath": "/disk"},
        {"name": "memory", "mountPath": "/memory"},
        {"name": "disk", "mountPath": "/part", "subPath": "inner/part"},
    ]
    text = await cluster.output(
        shell("cat /disk/file /memory/file; ls /part", volumeMounts=mounts),
        initContainers=[
            shell(
                "echo disk > /disk/file; echo memory > /memory/file; touch /part/there",
                name="init", volumeMounts=mounts,
            )
        ],
        volumes=[
            {"name": "disk", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    )  # fmt: skip
    assert text == "disk\nmemory\nthere\n"


@pytest.mark.root
async def test_host_paths(cluster: Cluster, node: None) -> None:
    shared = cluster.state_dir.parent / "shared"
    shared.mkdir()
    (shared / "from-host").write_text("hello\n")
    text = await cluster.output(
        shell(
            "cat /data/from-host; echo pod > /data/from-pod; "
            "touch /ro/x 2>/dev/null || echo denied",
            volumeMounts=[
                {"name": "shared", "mountPath": "/data"},
                {"name": "shared", "mountPath": "/ro", "readOnly": True},
            ],
        ),
        volumes=[{"name": "shared", "hostPath": {"path": str(shared), "type": "Directory"}}],
    )
    assert text.startswith("hello\n")
    assert text.endswith("denied\n")
    assert (shared / "from-pod").read_text() == "pod\n"


async def test_a_missing_host_path_is_reported(cluster: Cluster) -> None:
    await cluster.start_node()
    await cluster.run(
        shell("true"),
        volumes=[{"name": "v", "hostPath": {"path": "/no/such", "type": "Directory"}}],
    )
    await until(lambda: cluster.events("FailedMount"))
    assert (await cluster.pod())["status"]["phase"] == "Pending"


async def test_plain_processes_refuse_mounts_and_say_why(cluster: Cluster) -> None:
    await cluster.start_node(mode="processes")
    await cluster.run(
        shell("true", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        volumes=[{"name": "v", "emptyDir": {}}],
    )

    async def waiting() -> dict[str, str] | None:
        return (await cluster.status_of())["state"].get("waiting")

    found = await until(waiting)
    assert found["reason"] == "VolumesUnavailable"
    assert "without mount namespaces" in found["message"]


def test_atomic_writes_replace_everything(tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    volume = Path(tmp_path) / "volume"
    write_atomically(volume, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)}, "one")
    first = os.readlink(volume / "..data")
    write_atomically(volume, {"a": File(b"3", 0o644)}, "two")
    assert (volume / "a").read_bytes() == b"3"
    assert not (volume / "d").exists()
    assert not (volume / first).exists()
    with pytest.raises(ConfigMissing):
        write_atomically(volume, {"../escape": File(b"", 0o644)}, "three")


def test_a_sub_path_stays_inside(tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    root = Path(tmp_path) / "volume"
    root.mkdir()
    (root / "out").symlink_to("/etc")
    for path in ("../x", "/etc", "out/passwd"):
        with pytest.raises(ConfigMissing):
            sub_path(str(root), path)
    assert Path(sub_path(str(root), "new/dir")).is_dir()
