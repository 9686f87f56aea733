"""The built-in kinds that the embedded cluster serves.

One file for each API group. A kind is here only if something makes it true: a controller, the
node, or (`policies`, ServiceAccount) nothing, because storing it is all that is promised.
"""

from __future__ import annotations

from kapp.machinery.scheme import Scheme
from kapp.minicluster.kinds import (
    apiextensions,
    apps,
    batch,
    core,
    discovery,
    events,
    policies,
    reviews,
)


def new_scheme() -> Scheme:
    """A scheme with every built-in kind."""
    scheme = Scheme()
    for kind in (
        *core.KINDS,
        *apps.KINDS,
        *batch.KINDS,
        *discovery.KINDS,
        *events.KINDS,
        *policies.KINDS,
        *apiextensions.KINDS,
        *reviews.KINDS,
    ):
        scheme.register(kind)
    return scheme
