"""What a pod says to one attempt of a connection, for as long as that attempt counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kapp.cluster.splice import Splice
    from kapp.errors import KappError


class PodSide:
    """The `StreamReceiver` of one attempt; deaf once the splice has moved on to another."""

    def __init__(self, splice: Splice) -> None:
        self._splice = splice

    @property
    def _current(self) -> bool:
        return self._splice.is_current(self)

    def data_received(self, data: memoryview) -> None:
        """Bytes from the pod."""
        if self._current:
            self._splice.from_pod(data)

    def eof_received(self) -> None:
        """The pod has sent all."""
        if self._current:
            self._splice.pod_ended()

    def stream_lost(self, error: KappError | None) -> None:
        """The stream is over."""
        if self._current:
            self._splice.pod_lost(error)

    def pause_writing(self) -> None:
        """The way to the pod is full."""
        if self._current:
            self._splice.judge_pod_pause(True)

    def resume_writing(self) -> None:
        """It is not any more."""
        if self._current:
            self._splice.judge_pod_pause(False)
