"""Find the fields of built-in kinds that keep a zero value, in the Go sources of their types.

    python tools/build_minicluster_zero_values.py API_MODULE APIMACHINERY_MODULE

The arguments are the unpacked Go modules `k8s.io/api` and `k8s.io/apimachinery`. A real API server
decodes into Go structs and encodes those: a field that is no pointer and has `omitempty` is gone
when it is "", 0, false or empty. OpenAPI does not say which fields those are. The output,
`kapp/minicluster/data/zero_values.json`, names the others by definition, for the definitions in
`openapi.json.gz`; fields of struct types, which are never left out, are not in it.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent.parent / "kapp" / "minicluster" / "data"
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r'^\t(?:(\w+) +)?([\w.*\[\]]+) +`[^`]*?json:"([^"]*)"', re.MULTILINE)


class Field(NamedTuple):
    """A field of a Go struct; an inlined struct has no name."""

    name: str
    type: str
    omitted: bool

    @property
    def keeps_zero(self) -> bool:
        """Whether "", 0, false and empty lists are written."""
        return self.type.startswith("*") or not self.omitted


def structs_in(source: str) -> dict[str, list[Field]]:
    """The structs of a Go file."""
    found = {}
    for name, body in _STRUCT.findall(source):
        fields = []
        for _, go_type, tag in _FIELD.findall(body):
            json_name, *options = tag.split(",")
            fields.append(
                Field("" if "inline" in options else json_name, go_type, "omitempty" in options)
            )
        found[name] = fields
    return found


def kept(structs: dict[str, list[Field]], name: str) -> set[str]:
    """The fields of a struct, inlined ones included, that keep a zero value."""
    names: set[str] = set()
    for field in structs.get(name, ()):
        if field.name:
            names |= {field.name} if field.keeps_zero else set()
        else:
            names |= kept(structs, field.type.rpartition(".")[2].lstrip("*"))
    return names


def main(api: Path, apimachinery: Path) -> None:
    """Read the sources and write the table."""
    schemas = json.loads(gzip.decompress((DATA / "openapi.json.gz").read_bytes()))
    sources = {
        "io.k8s.api.core.v1.": api / "core/v1/types.go",
        "io.k8s.api.apps.v1.": api / "apps/v1/types.go",
        "io.k8s.api.batch.v1.": api / "batch/v1/types.go",
        "io.k8s.api.autoscaling.v1.": api / "autoscaling/v1/types.go",
        "io.k8s.apimachinery.pkg.apis.meta.v1.": apimachinery / "pkg/apis/meta/v1/types.go",
    }
    table = {}
    for prefix, path in sources.items():
        structs = structs_in(path.read_text())
        for definition in sorted(schemas):
            if definition.startswith(prefix) and (
                names := kept(structs, definition[len(prefix) :])
            ):
                properties = schemas[definition].get("properties", {})
                shown = sorted(n for n in names if "type" in properties.get(n, {}))
                if shown:
                    table[definition] = shown
    lines = [f"{json.dumps(name)}: {json.dumps(names)}" for name, names in table.items()]
    (DATA / "zero_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
