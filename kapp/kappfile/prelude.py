"""Generates kapp's own Starlark from the registry.

It is evaluated in every module before the file itself (a frozen module cannot be shared, because
`os.environ` must stay writable). Each builtin becomes a Starlark function with the real signature,
so that a wrong argument is reported at the Kappfile's line, and forwards to `_kapp_py_…`, which the
host adds to the module. Nothing here refers to a name that a Kappfile may rebind.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TypeAlias

from kapp.kappfile.registry import BUILTINS, CONSTANTS, Builtin, starlark_name
from kapp.kappfile.values import KIND

PREFIX = "_kapp_py_"
"""Of the names under which the host adds the Python functions."""

CALL_KEPT = "kapp__call_kept"
"""The function that calls one of those that builtins were given. Python cannot hold a Starlark
function, so each module keeps its own and hands out numbers."""

_Tree: TypeAlias = dict[str, "str | _Tree"]

# `str` and `type` are kept first: the second prelude gives them kapp's blobs.
FIRST = f"""
_kapp_str = str
_kapp_type = type
def _kapp_kind(x):
    return getattr(x, "{KIND}", "struct") if _kapp_type(x) == "struct" else _kapp_type(x)
def _kapp_text(x):
    if _kapp_kind(x) != "blob":
        return _kapp_str(x)
    return x.text if hasattr(x, "text") else _kapp_py_rendered(x.pending)
_kapp_unset = struct({KIND}="unset")
def _kapp_value(x):
    return None if x == None else struct(**x)
"""

_SECOND_HEAD = f"""
_kapp_functions = []
def _kapp_keep(function):
    _kapp_functions.append(function)
    return len(_kapp_functions) - 1
def {CALL_KEPT}(index, argument):
    return _kapp_functions[index](struct(**argument))
_kapp_environ = _kapp_py_environ()
_kapp_argv = _kapp_py_argv()
_kapp_main, _kapp_main_dir, _kapp_subcommand = _kapp_py_about()
def _kapp_call(handle, name, args, kwargs):
    return _kapp_py_call(handle, name, args, kwargs)
def _kapp_missing(name):
    return lambda *args, **kwargs: _kapp_py_missing(name)
def type(x):
    return _kapp_kind(x)
def str(x):
    return _kapp_text(x)
"""


@cache
def second() -> str:
    """The functions and constants of the registry, after `FIRST`."""
    from kapp.kappfile.builtins.planned import missing_names

    parts = [_SECOND_HEAD]
    parts += [_definition(item) for item in BUILTINS.values()]
    tree: _Tree = {}
    for item in BUILTINS.values():
        if "." in item.name:
            _put(tree, item.name, f"_kapp_{item.id}")
    for name in missing_names():
        absent = f'_kapp_missing("{name}")'
        if "." in name:
            _put(tree, name, absent)
        else:
            parts.append(f"{name} = {absent}\n")
    for value in CONSTANTS.values():
        if "." in value.name:
            _put(tree, value.name, value.starlark)
        else:
            parts.append(f"{value.name} = {value.starlark}\n")
    parts += [f"{name} = {_expression(branch)}\n" for name, branch in tree.items()]
    return "\n".join(parts)


def _definition(item: Builtin) -> str:
    name = f"_kapp_{item.id}" if "." in item.name else item.name
    if item.starlark:
        return item.starlark.replace("{id}", name).replace("{py}", PREFIX + item.id)
    arguments = "".join(f", {_argument(parameter)}" for parameter in item.parameters)
    result = f"{PREFIX}{item.id}(call_stack(strip_frames=1){arguments})"
    if item.returns_struct:
        result = f"_kapp_value({result})"
    return f"def {name}({item.signature}):\n    return {result}\n"


def _argument(parameter: inspect.Parameter) -> str:
    name = starlark_name(parameter)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{name}"
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{name}"
    if parameter.kind is parameter.KEYWORD_ONLY:
        return f"{parameter.name}={name}"
    return name


def _put(tree: _Tree, dotted: str, expression: str) -> None:
    *groups, last = dotted.split(".")
    for group in groups:
        branch = tree.setdefault(group, {})
        assert isinstance(branch, dict), dotted
        tree = branch
    tree[last] = expression


def _expression(branch: str | _Tree) -> str:
    if isinstance(branch, str):
        return branch
    fields = ", ".join(f"{name}={_expression(value)}" for name, value in branch.items())
    return f"struct({fields})"
