"""`config.*`: what a Kappfile is told on the command line and by a file beside it."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kapp.kappfile.builtins.data import parse_json
from kapp.kappfile.configuration import Setting
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin, constant
from kapp.kappfile.session import Call, Session
from kapp.kappfile.suggest import did_you_mean, listing
from kapp.kappfile.values import Value, boolean, optional_string, string, strings

TOPIC = "Settings"

FILES = ("tilt_config.json", "kapp_config.json")
"""Beside the Kappfile; of what both say, the second counts."""


constant(
    "config.main_path",
    topic=TOPIC,
    starlark="_kapp_main",
    doc="The absolute path of the Kappfile.",
    example="print(config.main_path)",
)
constant(
    "config.main_dir",
    topic=TOPIC,
    starlark="_kapp_main_dir",
    doc="The directory of the Kappfile.",
    example="print(config.main_dir)",
)
constant(
    "config.kapp_subcommand",
    topic=TOPIC,
    starlark="_kapp_subcommand",
    doc="The command that evaluates the file: `up` or `ci`.",
    example="print(config.kapp_subcommand)",
)
constant(
    "config.tilt_subcommand",
    topic=TOPIC,
    starlark="_kapp_subcommand",
    doc="The same, under the name that Tiltfiles use.",
    example="print(config.tilt_subcommand)",
)


def _define(call: Call, kind: str, name: Value, args: Value, usage: Value) -> None:
    configuration = call.session.configuration
    if configuration.parsed_at:
        raise KappfileError(
            f"config.parse was called already, at {configuration.parsed_at}",
            hint="define all settings before",
        )
    setting = Setting(
        string("name", name), kind, boolean("args", args), optional_string("usage", usage)
    )
    if not setting.name or setting.name.startswith("-") or "=" in setting.name:
        raise KappfileError(
            f"`{setting.name}` is no name of a setting", hint="write it without dashes"
        )
    if setting.name in configuration.settings:
        raise KappfileError(f"`{setting.name}` is defined already", hint="define it once")
    words = next((one.name for one in configuration.settings.values() if one.takes_words), "")
    if setting.takes_words and words:
        raise KappfileError(
            f"`{words}` takes the words that belong to no flag already",
            hint="pass args=True to one setting only",
        )
    configuration.settings[setting.name] = setting


@builtin(
    "config.define_string_list",
    topic=TOPIC,
    example="config.define_string_list('to-run', args=True)\ncfg = config.parse()",
)
def define_string_list(call: Call, name: Value, args: Value = False, usage: Value = "") -> None:
    """Define a setting that is a list of strings: `kapp up -- --NAME one --NAME two`.

    Args:
        name: of the setting.
        args: whether words without a flag are its values.
        usage: what it is for.
    """
    _define(call, "string_list", name, args, usage)


@builtin(
    "config.define_string",
    topic=TOPIC,
    example="config.define_string('level', usage='how much to log')\ncfg = config.parse()",
)
def define_string(call: Call, name: Value, args: Value = False, usage: Value = "") -> None:
    """Define a setting that is a string: `kapp up -- --NAME value`.

    Args:
        name: of the setting.
        args: whether the word without a flag is its value.
        usage: what it is for.
    """
    _define(call, "string", name, args, usage)


@builtin(
    "config.define_bool",
    topic=TOPIC,
    example="config.define_bool('debug')\nif config.parse().get('debug', False):\n    print('on')",
)
def define_bool(call: Call, name: Value, args: Value = False, usage: Value = "") -> None:
    """Define a setting that is True or False: `kapp up -- --NAME` or `--NAME=false`.

    Args:
        name: of the setting.
        args: whether the word without a flag is its value.
        usage: what it is for.
    """
    _define(call, "bool", name, args, usage)


@builtin(
    "config.define_object",
    topic=TOPIC,
    example="config.define_object('limits')\ncfg = config.parse()",
)
def define_object(call: Call, name: Value, args: Value = False, usage: Value = "") -> None:
    """Define a setting that is JSON of any shape: `kapp up -- --NAME '{"a": 1}'`.

    Args:
        name: of the setting.
        args: whether the word without a flag is its value.
        usage: what it is for.
    """
    _define(call, "object", name, args, usage)


@builtin(
    "config.parse",
    topic=TOPIC,
    example="config.define_string('who')\nprint(config.parse().get('who', 'nobody'))",
)
def parse(call: Call) -> Value:
    """The settings that were given, as a dict; what was not given is not in it.

    They come from `kapp up -- ARGS` (or `kapp args`), and from `tilt_config.json` and
    `kapp_config.json` beside the Kappfile, which are watched; the command line counts more.
    Without this call, the arguments are the names of the resources to enable.
    """
    session = call.session
    configuration = session.configuration
    if configuration.parsed_at:
        raise KappfileError(
            f"it was called already, at {configuration.parsed_at}", hint="keep its result"
        )
    configuration.parsed_at = str(call.frames[-1]) if call.frames else "?"
    return _from_files(session) | _from_words(session)


def _from_files(session: Session) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in FILES:
        path = session.main.parent / name
        session.watch(path)
        if not path.exists():
            continue
        values = parse_json(session.read(path), name)
        if not isinstance(values, dict):
            raise KappfileError(f"{name} is no object", hint='write {"NAME": VALUE, …}')
        for key, value in values.items():
            setting = _known(session, key, f"{name}: ")
            found[key] = _checked(setting, value, f"{name}: `{key}`")
    return found


def _checked(setting: Setting, value: Any, where: str) -> Any:
    shapes: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "string": ("a string", lambda one: isinstance(one, str)),
        "bool": ("true or false", lambda one: isinstance(one, bool)),
        "string_list": (
            "a list of strings",
            lambda one: isinstance(one, list) and all(isinstance(item, str) for item in one),
        ),
        "object": ("", lambda _: True),
    }
    needed, fits = shapes[setting.kind]
    if not fits(value):
        raise KappfileError(f"{where} must be {needed}", hint=_usage_of(setting))
    return value


def _from_words(session: Session) -> dict[str, Any]:
    """What stands on the command line, read as pflag reads it: flags and words may be mixed."""
    found: dict[str, Any] = {}
    rest: list[str] = []
    words = list(session.args)
    while words:
        word = words.pop(0)
        if word == "--":
            rest += words
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        name, equals, text = word.lstrip("-").partition("=")
        setting = _known(session, name, "--")
        if not equals:
            if setting.kind == "bool":
                text = "true"
            elif not words:
                raise KappfileError(f"--{name} needs a value", hint=_usage_of(setting))
            else:
                text = words.pop(0)
        _take(setting, text, found, f"--{name}")
    if rest:
        _take_words(session, rest, found)
    return found


def _take_words(session: Session, words: list[str], found: dict[str, Any]) -> None:
    settings = session.configuration.settings.values()
    setting = next((one for one in settings if one.takes_words), None)
    if setting is None:
        raise KappfileError(
            f"the arguments {listing(words)} belong to no setting",
            hint="define one with args=True, or write --NAME VALUE",
        )
    if setting.kind != "string_list" and len(words) > 1:
        raise KappfileError(
            f"`{setting.name}` takes one argument, not {len(words)}", hint=_usage_of(setting)
        )
    for word in words:
        _take(setting, word, found, f"`{setting.name}`")


def _take(setting: Setting, text: str, found: dict[str, Any], where: str) -> None:
    if setting.kind == "string_list":
        found.setdefault(setting.name, []).append(text)
    elif setting.kind == "string":
        found[setting.name] = text
    elif setting.kind == "object":
        try:
            found[setting.name] = json.loads(text)
        except json.JSONDecodeError as error:
            raise KappfileError(f"{where}: {error.msg}", hint=_usage_of(setting)) from error
    elif text.lower() in ("true", "t", "1"):
        found[setting.name] = True
    elif text.lower() in ("false", "f", "0"):
        found[setting.name] = False
    else:
        raise KappfileError(f"{where} must be true or false, not '{text}'", hint=_usage_of(setting))


def _known(session: Session, name: str, prefix: str) -> Setting:
    settings = session.configuration.settings
    setting = settings.get(name)
    if setting is None:
        raise KappfileError(
            f"{prefix}{name} is no setting of this Kappfile; known: {listing(settings)}",
            hint=did_you_mean(name, settings) or f"define it: config.define_string('{name}')",
        )
    return setting


def _usage_of(setting: Setting) -> str:
    return f"--{setting.name}: {setting.usage or f'a {setting.kind}'.replace('_', ' of ')}"


@builtin(
    "config.set_enabled_resources",
    topic=TOPIC,
    example="k8s_yaml('kubernetes.yaml')\nconfig.set_enabled_resources(['example-go'])",
)
def set_enabled_resources(call: Call, resources: Value) -> None:
    """Enable these resources and what they depend on, and no others; an empty list enables all.

    Args:
        resources: a list of names.
    """
    configuration = call.session.configuration
    configuration.enabled = strings("resources", resources)
    configuration.none_enabled = False


@builtin(
    "config.clear_enabled_resources",
    topic=TOPIC,
    example="config.clear_enabled_resources()",
)
def clear_enabled_resources(call: Call) -> None:
    """Enable no resource; `kapp enable` then enables what is wanted."""
    call.session.configuration.none_enabled = True
