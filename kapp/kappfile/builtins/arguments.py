"""The values of a Kappfile's settings: from files beside it, and from the command line.

Called by `config.parse`, once all settings are defined.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kapp.kappfile.builtins.data import parse_json
from kapp.kappfile.configuration import Setting
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.session import Session
from kapp.kappfile.suggest import did_you_mean, listing

FILES = ("tilt_config.json", "kapp_config.json")
"""Beside the Kappfile; of what both say, the second counts."""


def values_of(session: Session) -> dict[str, Any]:
    """What was given, by name; the command line counts more. Raises KappfileError."""
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
