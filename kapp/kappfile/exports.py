"""What a file defines, for `load_dynamic`: starlark-pyo3 cannot list a module's names.

The names come from the source (Starlark is a subset of Python's grammar, so Python's parser reads
it); functions generated from them are evaluated in the module before it is frozen.
"""

from __future__ import annotations

import ast

KINDS = "kapp__kinds"
GET = "kapp__get"
CALL = "kapp__call"


def listing(text: str) -> str:
    """Starlark that defines `KINDS()`, `GET(name)` and `CALL(name, args, kwargs)`."""
    table = "{" + ", ".join(f'"{name}": {name}' for name in names(text)) + "}"
    return f"""
kapp__table = {table}
def {KINDS}():
    return {{name: _kapp_type(value) for name, value in kapp__table.items()}}
def {GET}(name):
    return kapp__table[name]
def {CALL}(name, args, kwargs):
    return kapp__table[name](*args, **kwargs)
"""


def names(text: str) -> list[str]:
    """The public names that a file certainly defines, at its top level, in order."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found: dict[str, None] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            found[statement.name] = None
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        found[node.id] = None
    return [name for name in found if not name.startswith("_")]
