"""The production guard: no write to a cluster that is neither local nor allowed by the Kappfile.

Asked before every write (`kapp.runtime.transport`), not only when something is evaluated: an
`allow_k8s_contexts` that is taken back holds for whatever is under way.
"""

from __future__ import annotations

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.cluster.failures import Rejected
from kapp.cluster.kubeconfig import KubeContext
from kapp.kappfile.context import KubeContextInfo, Refusal, check_context


class Guard:
    """Knows what the Kappfile, as it was evaluated last, allows.

    Args:
        objects: kapp's API.
    """

    def __init__(self, objects: TypedClient) -> None:
        self._objects = objects

    async def refusal(self, context: KubeContext) -> Refusal | None:
        """Why a context may not be written to; None if it may."""
        kappfile = await self._objects.get(Kappfile, MAIN)
        allowed = kappfile.status.allowed_contexts if kappfile is not None else []
        info = KubeContextInfo(context.context, context.namespace, context.is_local)
        return check_context(info, allowed)

    async def permit(self, context: KubeContext) -> None:
        """Raises Rejected if a context may not be written to."""
        if (refusal := await self.refusal(context)) is not None:
            raise Rejected(refusal.message, hint=refusal.hint)
