"""What a Helm chart in a directory is made of, and what becomes of the text that helm prints."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kapp import yamlio
from kapp.errors import ConfigError

_DOCUMENT = re.compile(r"^---\s*$\n?", re.MULTILINE)
_TEST = re.compile(r"^# Source: .*/tests/", re.MULTILINE)
_CLUSTER_SCOPED = re.compile(
    r"Namespace|Node|PersistentVolume|CustomResourceDefinition|APIService|CSIDriver|CSINode|"
    r"VolumeAttachment|CertificateSigningRequest|ComponentStatus|FlowSchema|ServiceCIDR|IPAddress|"
    r"PriorityLevelConfiguration|DeviceClass|ResourceSlice|"
    r"Cluster\w+|\w+Class|(Validating|Mutating)(Webhook|Admission)\w+"
)
"""Kinds that belong to no namespace. A custom one that this misses is put right by the cluster."""


def local_dependencies(chart: Path) -> Iterator[Path]:
    """Directories of charts that a chart takes from this machine, and what those take."""
    seen = {os.path.realpath(chart)}
    waiting = [chart]
    while waiting:
        parent = waiting.pop()
        for path in _dependencies(parent):
            real = os.path.realpath(path)
            if real not in seen and path.is_dir():
                seen.add(real)
                waiting.append(path)
                yield path


def _dependencies(chart: Path) -> Iterator[Path]:
    for name in ("Chart.yaml", "requirements.yaml"):
        try:
            document = yamlio.load((chart / name).read_text(encoding="utf-8-sig"))
        except (ConfigError, OSError, UnicodeDecodeError):
            continue  # helm will say it better
        entries = document.get("dependencies") if isinstance(document, dict) else ()
        for entry in entries if isinstance(entries, list) else ():
            repository = entry.get("repository") if isinstance(entry, dict) else None
            if isinstance(repository, str) and repository.startswith("file://"):
                yield Path(os.path.normpath(chart / repository.removeprefix("file://")))


def without_tests(text: str) -> str:
    """What `helm template` printed, without the chart's tests, as Tilt leaves them out."""
    documents = [one for one in _DOCUMENT.split(text) if one.strip() and not _TEST.search(one)]
    return "".join(f"---\n{one}" for one in documents)


def in_namespace(text: str, namespace: str) -> str:
    """The same objects, in a namespace unless they name one: helm prints what templates say.

    Raises KappfileError for what is no YAML.
    """
    values = [document.value for document in yamlio.parse(text)]
    for value in values:
        _put(value, namespace)
    return yamlio.dump_all(values)


def _put(obj: Any, namespace: str) -> None:
    if not isinstance(obj, dict) or not isinstance(obj.get("kind"), str):
        return  # said better where the objects are declared
    if isinstance(obj.get("items"), list):
        for item in obj["items"]:
            _put(item, namespace)
    elif not _CLUSTER_SCOPED.fullmatch(obj["kind"]) and isinstance(obj.get("metadata"), dict):
        if not obj["metadata"].get("namespace"):
            obj["metadata"]["namespace"] = namespace
