"""Builtins that read and write JSON and YAML."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from kapp import yamlio
from kapp.errors import ConfigError
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import UNSET, Value, blob_text, blob_value, is_unset, string, text, wrong

TOPIC = "Data"

_MAX_DEPTH = 200
"""Nesting of data; deeper data overflows the stack where it is handed to Starlark."""


def to_starlark(value: Any, depth: int = 0) -> Value:
    """Data that Starlark can take: keys are strings, numbers are finite, nesting is bounded."""
    if depth > _MAX_DEPTH:
        raise KappfileError(f"data is nested over {_MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {_key(key): to_starlark(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [to_starlark(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise KappfileError(f"the number {value} cannot be used in a Kappfile")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _key(key: Any) -> str:
    """A key as JSON has it, as kubectl does on its way from YAML."""
    return key if isinstance(key, str) else json.dumps(key, default=str)


def from_starlark(value: Value) -> Value:
    """The same value with every blob replaced by its text."""
    contents = blob_text(value)
    if contents is not None:
        return contents
    if isinstance(value, dict):
        return {key: from_starlark(item) for key, item in value.items()}
    return [from_starlark(item) for item in value] if isinstance(value, list) else value


def parse_json(contents: str, source: str) -> Value:
    """JSON text as data; `source` names it in errors."""
    try:
        return to_starlark(json.loads(contents))
    except json.JSONDecodeError as error:
        raise KappfileError(
            f"{source}:{error.lineno}:{error.colno}: {error.msg}",
            hint="check the commas and quotes before it; comments are for YAML",
            transient=True,
        ) from error
    except RecursionError as error:
        raise KappfileError(f"{source}: data is nested too deep") from error


def parse_yaml(contents: str, source: str) -> list[Value]:
    """The documents of a YAML stream as data; `source` names it in errors."""
    try:
        return [to_starlark(document.value) for document in yamlio.parse(contents, source)]
    except ConfigError as error:
        if isinstance(error, KappfileError):
            raise
        raise KappfileError(str(error), hint=error.hint, transient=True) from error


def _one(documents: list[Value], source: str, stream: str) -> Value:
    if len(documents) > 1:
        raise KappfileError(f"{source} holds {len(documents)} documents", hint=f"use {stream}")
    return documents[0] if documents else None


def _read(call: Call, path: Value, default: Value, parse: Callable[[str, str], Value]) -> Value:
    """What a file holds; the default, where there is one and no file."""
    found = call.session.resolve(string("path", path))
    if not is_unset(default) and not found.exists():
        call.session.watch(found)
        return default
    return parse(call.session.read(found), call.session.display(found))


@builtin("read_json", topic=TOPIC, example="config = read_json('package.json', default={})")
def read_json(call: Call, path: Value, default: Value = UNSET) -> Value:
    """The data in a JSON file, which is watched.

    Args:
        path: starts at the directory of the file that is executed.
        default: returned if there is no such file.
    """
    return _read(call, path, default, parse_json)


@builtin("read_yaml", topic=TOPIC, example="values = read_yaml('values.yaml', default={})")
def read_yaml(call: Call, path: Value, default: Value = UNSET) -> Value:
    """The data in a YAML file of one document, which is watched.

    Args:
        path: starts at the directory of the file that is executed.
        default: returned if there is no such file.
    """
    return _read(
        call,
        path,
        default,
        lambda contents, source: _one(parse_yaml(contents, source), source, "read_yaml_stream"),
    )


@builtin(
    "read_yaml_stream",
    topic=TOPIC,
    example="for obj in read_yaml_stream('kubernetes.yaml'):\n    print(obj['kind'])",
)
def read_yaml_stream(call: Call, path: Value, default: Value = UNSET) -> Value:
    """The list of the documents in a YAML file, which is watched.

    Args:
        path: starts at the directory of the file that is executed.
        default: returned if there is no such file.
    """
    return _read(call, path, default, parse_yaml)


@builtin("decode_json", topic=TOPIC, example="""print(decode_json('{"a": 1}')['a'])""")
def decode_json(call: Call, json: Value) -> Value:
    """The data in JSON text.

    Args:
        json: a string or a blob.
    """
    return parse_json(text("json", json), "json")


@builtin("decode_yaml", topic=TOPIC, example="print(decode_yaml('a: 1')['a'])")
def decode_yaml(call: Call, yaml: Value) -> Value:
    """The data in YAML text of one document.

    Args:
        yaml: a string or a blob.
    """
    return _one(parse_yaml(text("yaml", yaml), "yaml"), "yaml", "decode_yaml_stream")


@builtin(
    "decode_yaml_stream",
    topic=TOPIC,
    example="objects = decode_yaml_stream(read_file('kubernetes.yaml'))",
)
def decode_yaml_stream(call: Call, yaml: Value) -> list[Value]:
    """The list of the documents in YAML text.

    Args:
        yaml: a string or a blob.
    """
    return parse_yaml(text("yaml", yaml), "yaml")


@builtin("encode_json", topic=TOPIC, returns_struct=True, example="print(encode_json({'a': [1]}))")
def encode_json(call: Call, obj: Value) -> Value:
    """A blob of JSON text, indented by two spaces.

    Args:
        obj: data: None, bool, int, float, string, list, dict or struct.
    """
    printed = json.dumps(from_starlark(obj), indent=2, ensure_ascii=False, sort_keys=True)
    return blob_value(f"{printed}\n")


@builtin(
    "encode_yaml",
    topic=TOPIC,
    returns_struct=True,
    example=(
        "k8s_yaml(encode_yaml({\n"
        "    'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'demo'},\n"
        "}))"
    ),
)
def encode_yaml(call: Call, obj: Value) -> Value:
    """A blob of YAML text, with sorted keys.

    Args:
        obj: as for `encode_json`.
    """
    return blob_value(yamlio.dump(from_starlark(obj)))


@builtin(
    "encode_yaml_stream",
    topic=TOPIC,
    returns_struct=True,
    example="print(encode_yaml_stream([{'a': 1}, {'a': 2}]))",
)
def encode_yaml_stream(call: Call, objs: Value) -> Value:
    """A blob of YAML documents.

    Args:
        objs: a list of what `encode_yaml` takes.
    """
    if not isinstance(objs, list):
        raise wrong("objs", "a list", objs)
    return blob_value(yamlio.dump_all(from_starlark(objs)))
