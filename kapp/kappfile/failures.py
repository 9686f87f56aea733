"""Turns starlark-rust's error texts into KappfileError: what a user reads instead of a dump.

starlark-pyo3 gives text only: frames (`  * file:line, in fn`), `error: message`, and
`--> file:line:column`. The original exception of a builtin is kept by the host and takes the
message's place. Pure; called by `kapp.kappfile.host`.
"""

from __future__ import annotations

import re

from kapp.kappfile.advice import advice_for
from kapp.kappfile.builtins.planned import missing_names
from kapp.kappfile.errors import Frame, KappfileError
from kapp.kappfile.language import LANGUAGE_NAMES
from kapp.kappfile.registry import BUILTINS, CONSTANTS, Builtin
from kapp.kappfile.suggest import did_you_mean, nearest
from kapp.kappfile.traces import PRELUDE_FILE, frames_of

_ERROR = re.compile(r"^error: (.*?)(?=^ *--> |\Z)", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"^ *--> (.*):(\d+):(\d+)$", re.MULTILINE)
_NOT_FOUND = re.compile(r"Variable `(\w+)` not found(?:, did you mean `(\w+)`\?)?")
_MISSING = re.compile(r"Missing (?:named-only )?parameter `(\w+)` for call to `?<kapp>\.(\w+)`?")
_UNEXPECTED = re.compile(r"Found (.+) extra named parameter\(s\) for call to `?<kapp>\.(\w+)`?")
_TOO_MANY = re.compile(
    r"Found `?(\w+)`? extra positional argument\(s\) for call to `?<kapp>\.(\w+)`?"
)
_NO_DATA = re.compile(r"Operation `serde::serialize` not supported on type `(\w+)`")
_ANNOTATION = re.compile(r"Type `<kapp>\.(\w+)` is not a valid type annotation")
_MAX_ALTERNATIVES = 3  # more "expected one of" than these only hide the message

MAX_CALL_DEPTH = 1000
"""Far above honest recursion, far below where the native stack ends (measured: over 20 000)."""


def place_of(text: str) -> tuple[Frame, int] | None:
    """The last place outside kapp's own Starlark that an error text points at, and the column."""
    places = [place for place in _PLACE.findall(text) if place[0] != PRELUDE_FILE]
    if not places:
        return None
    path, line, column = places[-1]
    return Frame(path, int(line), ""), int(column)


def chain_of(text: str) -> list[Frame]:
    """The call chain with the failing place last."""
    head = text.partition("\nerror: ")[0]
    frames = frames_of(head)
    place = place_of(text)
    if place is not None and (not frames or frames[-1][:2] != place[0][:2]):
        frames.append(place[0])
    return frames


def translate(text: str) -> KappfileError:
    """The error for a StarlarkError that no builtin caused."""
    found = _ERROR.search(text)
    message = found.group(1).strip() if found else text.strip()
    error = _known(message)
    item = _called(text)
    if item is not None and _NO_DATA.search(message):
        error.message = f"{item.name}: {error.message}"
    error.message, meant, name = error.message.partition(", did you mean ")
    error.hint = error.hint or (f"did you mean {name}" if meant else advice_for(error.message))
    place = place_of(text)
    syntax = error.transient and place is not None
    error.located(chain_of(text), place[1] if syntax and place else 0)
    return error


def _called(text: str) -> Builtin | None:
    """The builtin in which it happened, if it was in the prelude's part of one."""
    calls = re.findall(rf"^  \* {re.escape(PRELUDE_FILE)}:\d+, in (\w+)$", text, re.MULTILINE)
    return _builtin(calls[-1]) if calls else None


def _known(message: str) -> KappfileError:
    if message.startswith("Parse error: "):
        return _syntax(message.removeprefix("Parse error: "))
    if match := _NOT_FOUND.match(message):
        return _undefined(match.group(1), match.group(2) or "")
    for pattern, build in (
        (_MISSING, _missing),
        (_UNEXPECTED, _unexpected),
        (_TOO_MANY, _too_many),
    ):
        if match := pattern.match(message):
            item = _builtin(match.group(2))
            return build(match.group(1), item) if item else KappfileError(message)
    if match := _NO_DATA.search(message):
        kind = match.group(1)
        hint = "data is None, True, False, numbers, strings, lists, dicts and structs"
        if kind in ("range", "iterator"):
            hint = "turn it into a list: list(…)"
        return KappfileError(f"a {kind} cannot be an argument here", hint=hint)
    if match := _ANNOTATION.match(message):
        return KappfileError(
            f"`{match.group(1)}` cannot be a type annotation in a Kappfile",
            hint="remove the annotation",
        )
    if message == "Starlark call stack overflow":
        return KappfileError(
            f"calls are nested over {MAX_CALL_DEPTH} deep",
            hint="look for a function that calls itself without end",
        )
    if message == "Immutable":
        return KappfileError(
            "this belongs to a file that was loaded, so it cannot be changed any more",
            hint="a loaded file's functions can change what they are given, and what they make",
        )
    if message == "Evaluation cancelled":
        return KappfileError("the evaluation was cancelled", cancelled=True)
    return KappfileError(_lower(message.removeprefix("StarlarkError: ")))


def _syntax(detail: str) -> KappfileError:
    head, _, expected = detail.partition(", expected one of ")
    if expected and expected.count(",") < _MAX_ALTERNATIVES:
        head = detail
    return KappfileError(f"syntax error: {head}", transient=True)


def _undefined(name: str, near: str) -> KappfileError:
    known = [*BUILTINS, *CONSTANTS, *LANGUAGE_NAMES, *missing_names()]
    match = nearest(name, [item for item in known if "." not in item])
    hint = f"did you mean `{match}`?" if match else ""
    if not match and near and nearest(name, [near]):
        hint = f"did you mean `{near}`?"
    return KappfileError(f"`{name}` is not defined", hint=hint)


def _builtin(identifier: str) -> Builtin | None:
    identifier = identifier.removeprefix("_kapp_")
    return next((item for item in BUILTINS.values() if item.id == identifier), None)


def _missing(name: str, item: Builtin) -> KappfileError:
    return KappfileError(f"{item.name}: the argument `{name}` is missing", hint=item.usage)


def _unexpected(names: str, item: Builtin) -> KappfileError:
    first = names.split(" ")[0].strip("`,")
    parameters = [parameter.name.rstrip("_") for parameter in item.parameters]
    return KappfileError(
        f"{item.name}: there is no argument `{first}`",
        hint=did_you_mean(first, parameters) or item.usage,
    )


def _too_many(count: str, item: Builtin) -> KappfileError:
    return KappfileError(
        f"{item.name}: {count} argument{'s' if count != '1' else ''} too many", hint=item.usage
    )


def _lower(message: str) -> str:
    """Without the capital that starts a sentence; names in capitals are left alone."""
    if len(message) > 1 and message[0].isupper() and message[1].islower():
        return message[0].lower() + message[1:]
    return message
