"""A pod's volumes as directories under the node's own state directory.

Each volume is `<pod directory>/volumes/<name>`; containers get it bound at their mountPaths. What
comes from objects (configMap, secret, downwardAPI, projected) is written the way kubelet's
AtomicWriter does (pkg/volume/util/atomic_writer.go): a fresh directory `..<time>`, the link
`..data` moved onto it in one rename, and one link per top-level name through `..data`, so that a
reader sees the old files or the new ones, never a mixture.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kapp.minicluster.node.environment import (
    ConfigMissing,
    Facts,
    data_of,
    field_value,
    resource_value,
)

_DEFAULT_MODE = 0o644
# kubelet makes a writable directory for every pod to share
_EMPTY_DIR_MODE = 0o777


@dataclass(frozen=True)
class File:
    """One file of a volume that is made from objects."""

    content: bytes
    mode: int


def _items(
    data: Mapping[str, bytes], source: Mapping[str, Any], default_mode: int, what: str
) -> dict[str, File]:
    items = source.get("items")
    if not items:
        return {name: File(content, default_mode) for name, content in data.items()}
    files = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise ConfigMissing(f"{what} references non-existent config key: {item['key']}")
        mode = item.get("mode")
        files[item["path"]] = File(data[item["key"]], default_mode if mode is None else mode)
    return files


def _from_object(
    kind: str, name: str, source: Mapping[str, Any], mode: int, facts: Facts
) -> dict[str, File]:
    obj = (facts.config_map if kind == "configmap" else facts.secret)(name)
    if obj is None:
        if source.get("optional"):
            return {}
        raise ConfigMissing(f'{kind} "{name}" not found')
    return _items(data_of(obj), source, mode, kind)


def _downward(source: Mapping[str, Any], mode: int, facts: Facts) -> dict[str, File]:
    files = {}
    for item in source.get("items") or ():
        if reference := item.get("fieldRef"):
            text = field_value(reference["fieldPath"], facts)
        else:
            text = resource_value(item["resourceFieldRef"], {}, facts)
        item_mode = item.get("mode")
        files[item["path"]] = File(text.encode(), mode if item_mode is None else item_mode)
    return files


def files_of(volume: Mapping[str, Any], facts: Facts) -> dict[str, File] | None:
    """The files of a volume made from objects; None for another kind of volume.

    Raises ConfigMissing when an object or a key that is not optional is missing.
    """

    def mode_of(source: Mapping[str, Any], fallback: int = _DEFAULT_MODE) -> int:
        value = source.get("defaultMode")
        return fallback if value is None else int(value)

    def one(source: Mapping[str, Any], fallback: int) -> dict[str, File]:
        if (part := source.get("configMap")) is not None:
            return _from_object(
                "configmap", part.get("name") or "", part, mode_of(part, fallback), facts
            )
        if (part := source.get("secret")) is not None:
            name = part.get("secretName") or part.get("name") or ""
            return _from_object("secret", name, part, mode_of(part, fallback), facts)
        if (part := source.get("downwardAPI")) is not None:
            return _downward(part, mode_of(part, fallback), facts)
        return {}  # serviceAccountToken, clusterTrustBundle: there is no API to use them with

    if "projected" in volume:
        files: dict[str, File] = {}
        projected = volume["projected"]
        for source in projected.get("sources") or ():
            files |= one(source, mode_of(projected))
        return files
    if any(kind in volume for kind in ("configMap", "secret", "downwardAPI")):
        return one(volume, _DEFAULT_MODE)
    return None


def write_atomically(directory: Path, files: Mapping[str, File], stamp: str) -> None:
    """Make `directory` show exactly `files`. `stamp` names this version and must be new."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    fresh = directory / f"..{stamp}"
    fresh.mkdir()
    fresh.chmod(0o755)
    for name, file in files.items():
        path = fresh / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ConfigMissing(f"a volume's path may not leave the volume: {name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    current = directory / "..data"
    old = directory / os.readlink(current) if current.is_symlink() else None
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(directory / "..data")
    wanted = {Path(name).parts[0] for name in files}
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    for name in wanted:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    if old is not None and old != fresh:
        shutil.rmtree(old, ignore_errors=True)


def same(directory: Path, files: Mapping[str, File]) -> bool:
    """Whether the volume shows exactly these files already."""
    data = directory / "..data"
    try:
        present = {
            str(Path(parent, name).relative_to(data)) for parent, _, names in os.walk(data)
            for name in names
        }  # fmt: skip
        return (
            data.is_dir()
            and present == set(files)
            and all((data / name).read_bytes() == file.content for name, file in files.items())
        )
    except OSError:
        return False


def prepare_host_path(source: Mapping[str, Any]) -> str:
    """Check (or make) a hostPath as its type says; returns the path. Raises ConfigMissing.

    Source: k8s.io/kubernetes/pkg/volume/hostpath/host_path.go.
    """
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(parents=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch()
    checks: dict[str, Callable[[], bool]] = {
        "": path.exists,
        "Directory": path.is_dir,
        "DirectoryOrCreate": path.is_dir,
        "File": path.is_file,
        "FileOrCreate": path.is_file,
        "Socket": path.is_socket,
        "CharDevice": path.is_char_device,
        "BlockDevice": path.is_block_device,
    }
    if kind in checks and not checks[kind]():
        what = {"": "path", "DirectoryOrCreate": "directory", "FileOrCreate": "file"}
        raise ConfigMissing(
            f"hostPath type check failed: {path} is not a {what.get(kind, kind.lower())}"
        )
    return str(path)


def empty_directory(directory: Path) -> str:
    """An emptyDir on the node's disk."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(_EMPTY_DIR_MODE)
    return str(directory)


def sub_path(root: str, relative: str) -> str:
    """A path inside a volume, made as a directory if nothing is there. Raises ConfigMissing.

    Neither `..` nor a symbolic link may lead out of the volume (CVE-2017-1002101).
    """
    if os.path.isabs(relative) or ".." in Path(relative).parts:
        raise ConfigMissing(f"subPath must stay inside the volume: {relative}")
    root = os.path.realpath(root)
    path = os.path.realpath(os.path.join(root, relative))
    if os.path.commonpath([root, path]) != root:
        raise ConfigMissing(f"subPath leads out of the volume: {relative}")
    if not os.path.exists(path):
        os.makedirs(path)
        os.chmod(path, 0o777)
    return path


def refers_to(volume: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Kind and name of every object that a volume is made from."""
    found = set()
    sources = (volume.get("projected") or {}).get("sources") or [volume]
    for source in sources:
        if part := source.get("configMap"):
            found.add(("ConfigMap", part.get("name") or ""))
        if part := source.get("secret"):
            found.add(("Secret", part.get("secretName") or part.get("name") or ""))
    return found
