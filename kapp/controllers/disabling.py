"""Whether an object is disabled: read from the ConfigMaps that its `disableSource` names."""

from __future__ import annotations

from datetime import datetime

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.meta import ConfigMapDisableSource, DisableSource, DisableStatus
from kapp.machinery.objects import format_time


def names_of(source: DisableSource | None) -> list[str]:
    """The ConfigMaps that a source reads."""
    return [entry.name for entry in _entries(source)]


def _entries(source: DisableSource | None) -> list[ConfigMapDisableSource]:
    if source is None:
        return []
    single = [source.config_map] if source.config_map is not None else []
    return [*single, *source.every_config_map]


async def disable_status(
    objects: TypedClient,
    source: DisableSource | None,
    before: DisableStatus | None,
    now: datetime,
) -> DisableStatus | None:
    """The status that a source calls for; None without a source.

    All of its ConfigMaps must say "true"; one that is missing says that nothing is disabled.
    """
    entries = _entries(source)
    if not entries:
        return None
    disabled = True
    for entry in entries:
        config_map = await objects.get(ConfigMap, entry.name)
        value = (config_map.data if config_map is not None else {}).get(entry.key, "false")
        disabled = disabled and value == "true"
    state = "Disabled" if disabled else "Enabled"
    if before is not None and before.state == state:
        return before
    where = ", ".join(f"{entry.name}.{entry.key}" for entry in entries)
    return DisableStatus(
        disabled=disabled,
        state=state,
        reason=f"{where} says so",
        last_update_time=format_time(now),
    )
