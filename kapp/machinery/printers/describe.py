"""`kapp describe`: an object as sentences for people, as kubectl describes kinds it does not know.

Source: genericDescriber and printUnstructuredContent in k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kapp.errors import KappError
from kapp.machinery.gojson import value_text
from kapp.machinery.objects import Json, Object, annotations_of, labels_of, metadata_of, name_of
from kapp.machinery.printers.get import Fetched, GetResult, failed, fetch
from kapp.machinery.printers.options import GetOptions, parse_get
from kapp.machinery.printers.tables import escape_terminal
from kapp.machinery.printers.tabwriter import TabWriter
from kapp.machinery.printers.targets import Target, find_targets
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError

_MIN_WIDTH, _PADDING = 0, 2
_LONGEST_ANNOTATION = 140
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SHOWN_ABOVE = frozenset(
    f".metadata.{name}" for name in ("managedFields", "name", "namespace", "labels", "annotations")
)
_ACRONYMS = frozenset(["API", "URL", "UID", "OSB", "GUID"])
# Runs of one class of characters; an upper-case letter belongs to the lower-case ones after it.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+")


def run_describe(registry: Registry, args: Sequence[str]) -> GetResult:
    """Run `kapp describe ARGS…`; never raises."""
    try:
        options = parse_get(args)
        targets = find_targets(registry.scheme, options)
    except KappError as error:
        return failed(error)
    fetched = Fetched([], [])
    objects: list[Object] = []
    for target in targets.items:
        try:
            objects += fetch(registry, options, target).objects()
        except ApiError as error:
            if targets.single and (found := _by_prefix(registry, options, target)):
                return GetResult("".join(f"{describe(obj)}\n" for obj in found), "", 0)
            fetched.errors.append(error)
    if not objects and not fetched.errors:
        return fetched.result("", "No resources found\n")
    # Events are searched for one object only; kapp's API has none.
    texts = [describe(obj, with_events=len(objects) == 1) for obj in objects]
    return fetched.result("\n\n".join(texts))


def _by_prefix(registry: Registry, options: GetOptions, target: Target) -> list[Object]:
    """The objects whose names begin with what no object is called."""
    page = fetch(registry, options, Target(target.kind))
    return [obj for obj in page.objects() if name_of(obj).startswith(target.name)]


def describe(obj: Object, *, with_events: bool = False) -> str:
    """One object."""
    writer = TabWriter(min_width=_MIN_WIDTH, padding=_PADDING, remember=False)
    lines = [f"Name:\t{name_of(obj)}", f"Namespace:\t{metadata_of(obj).get('namespace') or ''}"]
    labels = labels_of(obj)
    lines += _titled("Labels", [f"{name}={labels[name]}" for name in sorted(labels)])
    lines += _titled("Annotations", _annotations(annotations_of(obj)))
    lines += _content(obj, 0, "")
    if with_events:
        lines.append("Events:\t<none>")
    writer.write("".join(f"{line}\n" for line in lines))
    return escape_terminal(writer.flush())


def _titled(title: str, lines: list[str]) -> list[str]:
    first, *rest = lines or ["<none>"]
    return [f"{title}:\t{first}", *(f"\t{line}" for line in rest)]


def _annotations(annotations: dict[str, str]) -> list[str]:
    lines = []
    for name in sorted(annotations):
        if name == _LAST_APPLIED:
            continue
        value = annotations[name].removesuffix("\n")
        if len(value) + len(name) + 2 > _LONGEST_ANNOTATION or "\n" in value:
            lines.append(f"{name}:")
            lines += [f"  {_shortened(line)}" for line in value.split("\n")]
        else:
            lines.append(f"{name}: {value}")
    return lines


def _shortened(text: str) -> str:
    limit = _LONGEST_ANNOTATION - 2
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _content(content: Object, level: int, path: str) -> list[str]:
    """Every field, sorted by name, below its label."""
    indent = "  " * level
    lines: list[str] = []
    for name in sorted(content):
        value, where = content[name], f"{path}.{name}"
        if where in _SHOWN_ABOVE:
            continue
        label = f"{indent}{label_for(name)}:"
        if isinstance(value, dict):
            lines += [label, *_content(value, level + 1, where)]
        elif isinstance(value, list):
            lines += [label, *_items(value, level + 1, where)]
        else:
            lines.append(f"{label}\t{value_text(value)}")
    return lines


def _items(items: list[Json], level: int, path: str) -> list[str]:
    lines: list[str] = []
    for item in items:
        if isinstance(item, dict):
            lines += _content(item, level, path)
        else:
            lines.append(f"{'  ' * level}{value_text(item)}")
    return lines


def label_for(name: str) -> str:
    """`resultYAML` is `Result YAML`; a name with other characters stays as it is."""
    if not all(char.isalpha() or char == "-" for char in name):
        return name
    words = [word.upper() if word.upper() in _ACRONYMS else word for word in _WORDS.findall(name)]
    return " ".join(word[:1].upper() + word[1:] for word in words)
