"""Ages, as `kubectl get` prints them (cases from apimachinery's duration_test.go)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kapp.machinery.duration import human_age, human_duration

M, H, D = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0.9, "0s"),
        (1, "1s"),
        (70, "70s"),
        (119, "119s"),
        (120, "2m"),
        (190, "3m10s"),
        (600, "10m"),
        (70 * M, "70m"),
        (3 * H, "3h"),
        (3 * H + 5 * M, "3h5m"),
        (8 * H, "8h"),
        (47 * H, "47h"),
        (48 * H, "2d"),
        (49 * H, "2d1h"),
        (8 * D, "8d"),
        (729 * D, "729d"),
        (730 * D, "2y"),
        (731 * D, "2y1d"),
        (8 * 365 * D, "8y"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_ages() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert human_age("2026-01-01T00:00:00Z", now) == "60s"
    for nothing in (None, "", "x", 5, "2026-01-01T00:00:00"):
        assert human_age(nothing, now) == "<unknown>"
