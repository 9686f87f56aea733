"""Builtins that bring in other files. `load` is a statement of the language itself."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import Value, string

TOPIC = "Composition"


@builtin("include", topic=TOPIC, example="include('backend/Kappfile')")
def include(call: Call, path: Value) -> None:
    """Execute another file, for what it declares; a file is executed once.

    Args:
        path: starts at the directory of the file that is executed. Paths in the included file
            start at its own directory.
    """
    call.session.run_file(call.session.resolve(string("path", path)), call.own_frames)


@builtin(
    "load_dynamic",
    topic=TOPIC,
    example="lib = load_dynamic('lib/Kappfile')\nlib['greet']('example-go')",
    starlark="""def _kapp_closure(handle, name):
    return lambda *args, **kwargs: _kapp_call(handle, name, list(args), kwargs)
def {id}(path):
    handle, names, data = {py}(call_stack(strip_frames=1), path)
    symbols = {name: _kapp_closure(handle, name) for name in names}
    symbols.update(data)
    return symbols
""",
)
def load_dynamic(call: Call, path: Value) -> list[Value]:
    """Execute another file and return its names, where `load` needs to know them beforehand.

    Its functions can be called, but take and return data only; structs become dicts.

    Args:
        path: starts at the directory of the file that is executed.
    """
    session = call.session
    handle = session.run_file(session.resolve(string("path", path)), call.own_frames)
    functions, data = session.symbols(handle)
    return [handle, functions, data]
