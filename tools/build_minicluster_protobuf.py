"""Build the embedded cluster's protobuf tables from the Go sources of k8s.io/api.

    python tools/build_minicluster_protobuf.py DIRECTORY VERSION

DIRECTORY holds `api@VERSION` and `apimachinery@VERSION`, as Go's module cache does under `k8s.io`
(v0.36.3 is Kubernetes 1.36.3's).
The struct tags in their types.go files give each field's JSON name and number; that a field is a
pointer, which `generated.proto` does not tell, decides whether its zero means anything. The output
is `kapp/minicluster/data/protobuf.json.gz`; see `kapp/minicluster/protobuf.py` for its form.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

OUTPUT = Path(__file__).parent.parent / "kapp" / "minicluster" / "data" / "protobuf.json.gz"
GROUPS = {
    "core/v1": "v1",
    "apps/v1": "apps/v1",
    "autoscaling/v1": "autoscaling/v1",
    "autoscaling/v2": "autoscaling/v2",
    "authentication/v1": "authentication.k8s.io/v1",
    "authorization/v1": "authorization.k8s.io/v1",
    "batch/v1": "batch/v1",
    "coordination/v1": "coordination.k8s.io/v1",
    "discovery/v1": "discovery.k8s.io/v1",
    "events/v1": "events.k8s.io/v1",
    "networking/v1": "networking.k8s.io/v1",
    "policy/v1": "policy/v1",
    "rbac/v1": "rbac.authorization.k8s.io/v1",
    "scheduling/v1": "scheduling.k8s.io/v1",
    "storage/v1": "storage.k8s.io/v1",
}
META = "meta/v1"
_SPECIAL = {
    "metav1.Time": "Time",
    "metav1.MicroTime": "MicroTime",
    "metav1.Duration": "Duration",
    "metav1.FieldsV1": "Raw",
    "intstr.IntOrString": "IntOrString",
    "resource.Quantity": "Quantity",
    "runtime.RawExtension": "Raw",
    "types.UID": "string",
    "types.NodeName": "string",
    "[]byte": "bytes",
}
_SCALARS = {"string": "string", "bool": "bool", "int": "int", "int32": "int", "int64": "int"}

_FIELD = re.compile(
    r"^\s+(?:\w+\s+)?(?P<type>[\[\]\w.*]+)\s+`json:\"(?P<json>[^\"]*)\" "
    r"(?:\w+:\"[^\"]*\" )*protobuf:\"\w+,(?P<number>\d+),"
)
_IMPORT = re.compile(
    r"^\s+(?P<alias>\w+)?\s*\"k8s\.io/api(?:machinery/pkg/apis)?/(?P<path>[\w/]+)\""
)
_STRUCT = re.compile(r"^type (?P<name>\w+) struct \{")
_NAMED = re.compile(r"^type (?P<name>\w+) (?P<type>[\[\]\w.*]+)$")


class Package:
    """The types of one types.go file, by name."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.imports: dict[str, str] = {}
        self.named: dict[str, str] = {}
        self.structs: dict[str, list[re.Match[str]]] = {}
        current = ""
        for line in text.splitlines():
            if (found := _IMPORT.match(line)) is not None:
                self.imports[found["alias"] or found["path"].rpartition("/")[2]] = found["path"]
            elif (found := _STRUCT.match(line)) is not None:
                current = found["name"]
                self.structs[current] = []
            elif (found := _NAMED.match(line)) is not None:
                self.named[found["name"]] = found["type"]
            elif line == "}":
                current = ""
            elif current and (found := _FIELD.match(line)) is not None:
                self.structs[current].append(found)


class Builder:
    """Makes tables of messages, and of all that they refer to."""

    def __init__(self, packages: dict[str, Package]) -> None:
        self.packages = packages
        self.messages: dict[str, dict[str, list[str]]] = {}

    def message(self, package: Package, name: str) -> str:
        """The name of the table of a struct, which is made if need be."""
        key = f"{package.path.replace('/', '.')}.{name}"
        if key not in self.messages:
            table = self.messages[key] = {}
            for field in package.structs[name]:
                json_name, *options = field["json"].split(",")
                if "inline" in options and not json_name:
                    json_name = ""
                flags, kind = self.kind(package, field["type"])
                table[field["number"]] = [json_name, flags, kind]
        return key

    def kind(self, package: Package, go: str) -> tuple[str, str]:
        """Flags (`[`, `{` or `*`) and the type of a field."""
        if go.startswith("*"):
            return "*", self.kind(package, go[1:])[1]
        local = package.named.get(go)
        if local is not None and local not in _SCALARS:
            return self.kind(package, local)
        qualified = go if go in _SPECIAL or "." in go else f"metav1.{go}"
        if go in _SPECIAL or (package.path == META and qualified in _SPECIAL):
            return "", _SPECIAL.get(go) or _SPECIAL[qualified]
        if go.startswith("[]"):
            return "[", self.kind(package, go[2:])[1]
        if go.startswith("map["):
            return "{", self.kind(package, go.partition("]")[2])[1]
        if go in _SCALARS or local in _SCALARS:
            return "", _SCALARS[go if go in _SCALARS else str(local)]
        alias, _, name = go.rpartition(".")
        owner = self.packages.get(package.imports.get(alias, "")) if alias else package
        if owner is None or (name not in owner.structs and name not in owner.named):
            return "", "unknown"
        if owner is not package and name in owner.named:
            return self.kind(owner, name)
        return "", self.message(owner, name)


def main(directory: Path, version: str) -> None:
    """Read the sources in `directory` and write OUTPUT."""
    api, machinery = (directory / f"{module}@{version}" for module in ("api", "apimachinery"))
    files = {path: api / path / "types.go" for path in GROUPS}
    files[META] = machinery / "pkg/apis" / META / "types.go"
    builder = Builder({path: Package(path, file.read_text()) for path, file in files.items()})
    top = {}
    for path, api_version in GROUPS.items():
        package = builder.packages[path]
        for name, fields in package.structs.items():
            if any(f["json"].partition(",")[0] == "metadata" for f in fields):
                if not name.endswith("List"):
                    top[f"{api_version}/{name}"] = builder.message(package, name)
    text = json.dumps(
        {"kinds": top, "messages": builder.messages}, sort_keys=True, separators=(",", ":")
    )
    OUTPUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    fields = ((m, *field) for m, table in builder.messages.items() for field in table.values())
    unknown = sorted(f"{message}.{name}" for message, name, _, kind in fields if kind == "unknown")
    print(f"{len(builder.messages)} messages, {OUTPUT.stat().st_size} bytes; unknown: {unknown}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
