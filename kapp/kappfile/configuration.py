"""What `config.*` defines and chooses, in one evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Setting(msgspec.Struct):
    """One `config.define_…` call; `kind` is string, string_list, bool or object."""

    name: str
    kind: str
    takes_words: bool
    usage: str


class Configuration(msgspec.Struct):
    """What an evaluation has defined and chosen.

    Attributes:
        settings: by name, in order of definition.
        parsed_at: `path:line` of the call of `config.parse`, or "".
        enabled: what `config.set_enabled_resources` named; None before it is called.
        none_enabled: whether `config.clear_enabled_resources` was called after it.
    """

    settings: dict[str, Setting] = msgspec.field(default_factory=dict)
    parsed_at: str = ""
    enabled: list[str] | None = None
    none_enabled: bool = False

    def requested(self, args: Sequence[str]) -> Sequence[str] | None:
        """The resources to enable, without what they depend on; None for all of them."""
        if self.none_enabled:
            return ()
        if self.enabled is not None:
            return self.enabled or None
        return args if args and not self.parsed_at else None
