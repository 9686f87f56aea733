"""`kapp wait`: waits for objects of kapp's API, as `kubectl wait` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from kapp.cli.objects.api import Api
from kapp.cli.objects.printing import Outcomes, failed
from kapp.cli.objects.waiting import Deadline, TimedOut, until
from kapp.errors import KappError, UsageError
from kapp.machinery import jsonpath
from kapp.machinery.gojson import value_text
from kapp.machinery.objects import Object, name_of
from kapp.machinery.scheme import Kind
from kapp.machinery.status import not_found

Met: TypeAlias = Callable[[Object | None], bool]


def run(
    *,
    names: list[str],
    condition: str,
    timeout: str,
    selector: str,
    everything: bool,
    output: str,
    file: str,
) -> None:
    """Do it; the arguments are the options of `kapp/cli/wait.py`.

    Raises KappError, and typer.Exit where it has said itself what is wrong.
    """
    met = _condition(condition)
    outcomes = Outcomes(output)
    deadline = Deadline(timeout)
    api = Api(file)
    try:
        for kind, name in _targets(api, names, selector, everything):
            last = _Last(met)
            try:
                if condition not in ("delete", "create") and api.get(kind, name) is None:
                    raise not_found(kind.resource.group_resource, name)
                until(api, kind, name, last, deadline)
            except TimedOut as error:
                outcomes.refused(error)
                continue
            seen = last.seen or {"metadata": {"name": name}}
            if last.seen is not None or last.was_there:
                outcomes.done(kind, seen, "condition met")
    except UsageError:
        raise
    except KappError as error:
        raise failed(error) from error
    outcomes.finish()


class _Last:
    """A condition that remembers the object it was last asked about."""

    def __init__(self, met: Met) -> None:
        self._met = met
        self.seen: Object | None = None
        self.was_there = False

    def __call__(self, obj: Object | None) -> bool:
        self.seen = obj
        self.was_there |= obj is not None
        return self._met(obj)


def _targets(api: Api, words: list[str], selector: str, everything: bool) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    for kind, name in api.targets(words, selector).items:
        if name:
            found.append((kind, name))
        elif everything or selector:
            items = api.list(kind, selector)["items"]
            found += [(kind, name_of(obj)) for obj in items]
        else:
            raise UsageError(
                "resource(s) were provided, but no name was specified",
                hint="name them, select them with -l, or say --all",
            )
    if not found:
        raise KappError("no matching resources found", hint="look at `kapp get`")
    return found


def _condition(text: str) -> Met:
    """What `--for` says. Raises UsageError."""
    how, _, what = text.partition("=")
    match how.lower():
        case "delete":
            return lambda obj: obj is None
        case "create":
            return lambda obj: obj is not None
        case "condition" if what:
            name, _, value = what.partition("=")
            return _has_condition(name, value or "true")
        case "jsonpath" if what:
            return _has_value(what)
    raise UsageError(
        f'unrecognized condition: "{text}"',
        hint="--for=condition=Ready, --for=jsonpath='{.status.error}'=, --for=create, --for=delete",
    )


def _has_condition(name: str, value: str) -> Met:
    def met(obj: Object | None) -> bool:
        for one in ((obj or {}).get("status") or {}).get("conditions") or ():
            if str(one.get("type", "")).lower() == name.lower():
                # What was observed of an older generation says nothing of this one.
                seen = one.get("observedGeneration")
                current = (obj or {})["metadata"].get("generation")
                fresh = seen is None or current is None or seen >= current
                return fresh and str(one.get("status", "")).lower() == value.lower()
        return False

    return met


def _has_value(text: str) -> Met:
    closing = text.rfind("}")
    path, _, wanted = text[: closing + 1], *text[closing + 1 :].partition("=")[1:]
    compare = "=" in text[closing + 1 :]
    template = jsonpath.compile(jsonpath.relaxed(path or text))

    def met(obj: Object | None) -> bool:
        if obj is None:
            return False
        try:
            values = template.find(obj)
        except jsonpath.JsonPathError:
            return False
        if not compare:
            return bool(values)
        return len(values) == 1 and value_text(values[0]) == wanted.strip("'\"")

    return met
