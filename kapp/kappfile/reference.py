"""The reference page of the Kappfile, generated from the registry for the documentation.

Also says which names of a Tiltfile are not there, from the same lists that the error texts use.
"""

from __future__ import annotations

import re

from kapp.kappfile.builtins import (
    composition,
    data,
    files,
    kubernetes,
    local,
    operating_system,
    output,
    settings,
)
from kapp.kappfile.builtins.planned import ABSENT, PLANNED
from kapp.kappfile.language import LANGUAGE_NAMES
from kapp.kappfile.registry import BUILTINS, CONSTANTS, Builtin, Constant

TOPICS = (
    kubernetes.TOPIC,
    local.TOPIC,
    files.TOPIC,
    data.TOPIC,
    composition.TOPIC,
    settings.TOPIC,
    output.TOPIC,
    operating_system.TOPIC,
)
"""In the order in which a reader needs them."""

_ARGUMENT = re.compile(r"^    (\w+): ", re.MULTILINE)

_HEAD = """\
# Kappfile reference

A Kappfile is Starlark, a small Python: no `while`, no `try`, no `class`, no `set`. `load(path,
names…)` imports from another file; paths start at the directory of the file that is executed.
A `blob` is text that is contents, not a path: `str(blob)` is the text; where a
builtin is given it, the blob itself does, also in `'%s' % blob`.

From the language itself: {language}.
"""


def markdown() -> str:
    """The whole page, by topic, in order of declaration."""
    topics: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for item in BUILTINS.values():
        topics[item.topic].append(_function(item))
    for value in CONSTANTS.values():
        topics[value.topic].append(_constant(value))
    parts = [_HEAD.format(language=", ".join(f"`{name}`" for name in LANGUAGE_NAMES))]
    for topic, entries in topics.items():
        parts += [f"## {topic}\n", *entries]
    return "\n".join([*parts, _missing()])


def _function(item: Builtin) -> str:
    text, _, arguments = item.doc.partition("Args:\n")
    listed = _ARGUMENT.sub(r"- `\1`: ", arguments).replace("\n        ", "\n  ").rstrip()
    body = text.rstrip() + (f"\n\n{listed}" if listed else "")
    return f"### `{item.usage}`\n\n{body}\n\n{_example(item.example)}"


def _constant(value: Constant) -> str:
    return f"### `{value.name}`\n\n{value.doc}\n\n{_example(value.example)}"


def _example(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _missing() -> str:
    planned = ", ".join(f"`{name}`" for name in PLANNED)
    absent = "\n".join(
        f"- `{name}`" + (f": {hint}" if hint else "")
        for name, hint in sorted(ABSENT.items())
        if not name.startswith("v1alpha1.")
    )
    return (
        "## Names of a Tiltfile that kapp does not have\n\n"
        "Each fails where it is called, in one sentence that says so.\n\n"
        f"To come: {planned}.\n\nNot planned, or far off:\n\n{absent}\n"
        "- `v1alpha1.*`: objects of kapp's API are made with `kubectl apply`, see "
        "`kapp kubeconfig`\n"
    )
