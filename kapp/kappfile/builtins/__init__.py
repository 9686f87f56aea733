"""The builtins, a file for each topic; importing this package fills the registry.

A new builtin is a decorated function in the topic's file (or a new file, imported here); its name
then leaves the list in `planned`, which a test checks.
"""

from kapp.kappfile.builtins import (
    attaching,
    composition,
    config,
    data,
    files,
    kubernetes,
    local,
    local_resources,
    operating_system,
    output,
    planned,
    ports,
    rendering,
    settings,
)

__all__ = [
    "attaching",
    "composition",
    "config",
    "data",
    "files",
    "kubernetes",
    "local",
    "local_resources",
    "operating_system",
    "output",
    "planned",
    "ports",
    "rendering",
    "settings",
]
