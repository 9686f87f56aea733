"""`config.*`: what a Kappfile is told on the command line and by a file beside it."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

from kapp.kappfile.builtins.arguments import values_of
from kapp.kappfile.configuration import Setting
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin, constant
from kapp.kappfile.session import Call
from kapp.kappfile.values import Value, boolean, optional_string, string, strings

TOPIC = "Settings"

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
    return values_of(session)


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
