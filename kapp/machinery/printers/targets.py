"""Which objects the words of `kapp get` mean: `KIND[,KIND] [NAME…]` or `KIND/NAME…`.

Source: k8s.io/cli-runtime/pkg/resource/builder.go.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from kapp.errors import KappError, UsageError
from kapp.machinery.printers.options import GetOptions
from kapp.machinery.scheme import Kind, Scheme

# Enough for a slip of the finger; at difflib's 0.6 any word finds a neighbour.
_SIMILARITY = 0.75


class Target(NamedTuple):
    """All objects of a kind, or the one with a name."""

    kind: Kind
    name: str = ""


class Targets(NamedTuple):
    """What to get, in this order; `single` if exactly one object is named."""

    items: tuple[Target, ...]
    single: bool


def find_targets(scheme: Scheme, options: GetOptions) -> Targets:
    """Resolve the words. Raises UsageError for their form, KappError for an unknown kind."""
    words = options.words
    first, names = list(dict.fromkeys(words[0].split(","))), words[1:]
    if len(first) > 1 and names:
        words = tuple(f"{kind}/{name}" for kind in first for name in names)
    selective = bool(options.selector.strip() or options.field_selector.strip())
    if any("/" in word for word in words):
        pairs = _pairs(words)
        if selective:
            raise UsageError(
                "selectors and the all flag cannot be used when passing resource/name arguments",
                hint="name objects, or select them",
            )
        items = tuple(Target(find_kind(scheme, kind), name) for kind, name in pairs)
    elif names:
        if selective:
            raise UsageError(
                "name cannot be provided when a selector is specified",
                hint="name objects, or select them",
            )
        kind = find_kind(scheme, first[0])
        items = tuple(Target(kind, name) for name in names)
    else:
        kinds = {kind.gvk: kind for word in first for kind in _expanded(scheme, word)}
        items = tuple(map(Target, kinds.values()))
    for kind, name in items:
        if name and kind.namespaced and options.all_namespaces:
            raise UsageError(
                "a resource cannot be retrieved by name across all namespaces",
                hint="name its namespace with -n",
            )
    return Targets(items, len(items) == 1 and bool(items[0].name))


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for word in words:
        if "/" not in word:
            raise UsageError(
                "there is no need to specify a resource type as a separate argument when passing "
                "arguments in resource/name form",
                hint="write kapp get KIND/NAME, without a KIND before it",
            )
        kind, _, name = word.partition("/")
        if "/" in name:
            raise UsageError(
                "arguments in resource/name form may not have more than one slash",
                hint=f"write kapp get {kind} {name.partition('/')[0]}",
            )
        if not kind or not name or "," in kind:
            raise UsageError(
                "arguments in resource/name form must have a single resource and name",
                hint="write KIND/NAME",
            )
        pairs.append((kind, name))
    return pairs


def find_kind(scheme: Scheme, word: str) -> Kind:
    """The kind that a user means: plural, singular, short name, `.group` and `.version.group`.

    Raises KappError in kubectl's words, with the names that come near.
    """
    kind = scheme.by_name(word)
    if kind is not None:
        return kind
    resource, _, rest = word.lower().partition(".")
    version, _, group = rest.partition(".")
    for kind in scheme:
        if (kind.version, kind.group) == (version, group):
            names = (kind.plural, kind.singular_name, kind.kind.lower(), *kind.short_names)
            if resource in names:
                return kind
    in_group = f' in group "{rest}"' if rest else ""
    raise KappError(
        f'the server doesn\'t have a resource type "{resource}"{in_group}',
        hint=_hint(scheme, resource),
    )


def _hint(scheme: Scheme, word: str) -> str:
    names = sorted(
        {name for kind in scheme for name in (kind.plural, kind.singular_name, *kind.short_names)}
    )
    near = difflib.get_close_matches(word, names, n=2, cutoff=_SIMILARITY)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "there are: " + ", ".join(sorted({kind.plural for kind in scheme}))


def _expanded(scheme: Scheme, word: str) -> list[Kind]:
    """The kinds of a category (`all`), or the one kind with that name."""
    return [kind for kind in scheme if word in kind.categories] or [find_kind(scheme, word)]
