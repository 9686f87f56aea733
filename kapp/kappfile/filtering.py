"""What `filter_yaml` matches with. Pure."""

from __future__ import annotations

import re

import msgspec

from kapp.kappfile.errors import KappfileError
from kapp.machinery.objects import Object, labels_of, metadata_of


class Filter(msgspec.Struct, frozen=True):
    """Conditions that an object must all meet; a pattern of None meets everything."""

    labels: dict[str, str]
    patterns: dict[str, re.Pattern[str]]

    @classmethod
    def build(cls, *, labels: dict[str, str], **patterns: str) -> Filter:
        """Compile the given regular expressions (unanchored, any case, as in Tilt)."""
        return cls(labels, {name: _compile(name, text) for name, text in patterns.items() if text})

    def accepts(self, obj: Object) -> bool:
        """Whether the object meets all conditions."""
        meta = metadata_of(obj)
        fields = {
            "name": meta["name"],
            "namespace": meta.get("namespace") or "default",
            "kind": obj["kind"],
            "api_version": obj["apiVersion"],
        }
        return self.labels.items() <= labels_of(obj).items() and all(
            pattern.search(fields[name]) for name, pattern in self.patterns.items()
        )


def _compile(name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise KappfileError(
            f"`{name}` is no regular expression: {error}",
            hint="letters match themselves; put a backslash before any other character that shall",
        ) from error
