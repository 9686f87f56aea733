"""YAML as kubectl reads and prints it. The only package that imports yaml.

PyYAML alone is not enough: it follows YAML 1.1 to the letter, while everything in Kubernetes reads
YAML with Go's yaml.v2 (through sigs.k8s.io/yaml). `1:30`, `2020-01-01`, `1e3` and `0o14` are
read differently by the two. This package reads and prints what kubectl does; where a comment says
so, kubectl itself was asked.

    parse(text, source) -> [Document(value, line), ...]     all documents, empty ones dropped
    load(text, source)  -> value                            exactly one document
    dump(value)         -> text                             as `kubectl -o yaml`
    dump_all(values)    -> text                             the same, separated by `---`

Values are JSON values: maps with string keys, lists, strings, numbers, booleans, null.
Reading raises `kapp.errors.ConfigError` with the line.
"""

from kapp.yamlio.emit import dump, dump_all
from kapp.yamlio.parse import Document, load, parse

__all__ = ["Document", "dump", "dump_all", "load", "parse"]
