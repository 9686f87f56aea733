"""What tests of forwards share."""

from __future__ import annotations

import pytest

from kapp.cluster import tunnel


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings by the tenth of a second."""
    monkeypatch.setattr(tunnel, "PING_BUSY_S", 0.1)
    monkeypatch.setattr(tunnel, "PING_IDLE_S", 0.1)
    monkeypatch.setattr(tunnel, "ANSWER_S", 0.1)
    monkeypatch.setattr(tunnel, "_FRESH_S", 0.02)
