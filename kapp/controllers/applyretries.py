"""When an input is applied again: after it failed, or where it may not be whole. Pure."""

from __future__ import annotations

from datetime import datetime

from kapp.api.v1alpha1.kubernetesapply import KubernetesApply, KubernetesApplyStatus
from kapp.controllers.applystatus import is_failed

# After a refusal by the cluster: soon at first, because what an object needs may be on its way.
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 30.0
# A cluster that is away, or not well: someone waits for it to come back.
MAX_UNREACHABLE_RETRY_S = 2.0


def is_whole(status: KubernetesApplyStatus, digest: str) -> bool:
    """Whether an input is in the cluster as a whole.

    Not if another one was tried since, or the same one again in vain: that may have changed half of
    the objects, so going back to what was applied before means to apply it.
    """
    tried = (status.applied_input_hash, status.attempted_input_hash)
    return tried == (digest, digest) and not status.attempts


def retry_delay_s(apply: KubernetesApply) -> float:
    """Seconds from the end of a failed attempt to the next one."""
    grown = FIRST_RETRY_S * 2.0 ** min(apply.status.attempts - 1, 10)
    return float(min(grown, MAX_RETRY_S if is_failed(apply) else MAX_UNREACHABLE_RETRY_S))


def until_retry_s(apply: KubernetesApply, now: datetime) -> float | None:
    """Seconds until the next attempt at an input that failed, None when it is due."""
    status = apply.status
    if not status.attempts or not status.last_apply_time:
        return None
    ended = datetime.fromisoformat(status.last_apply_time)
    left_s = retry_delay_s(apply) - (now - ended).total_seconds()
    return left_s if left_s > 0 else None
