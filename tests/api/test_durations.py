from __future__ import annotations

import pytest

from kapp.api.durations import human_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (4.9, "4s"), (119, "119s"), (120, "2m"), (135, "2m15s"),
        (600, "10m"), (3 * 3600, "3h"), (3 * 3600 + 300, "3h5m"), (9 * 3600, "9h"),
        (3 * 86400 + 7200, "3d2h"), (10 * 86400, "10d"), (3 * 365 * 86400, "3y"),
        (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_prints_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_durations_are_go_s() -> None:
    assert parse_duration("1m30s") == 90
    assert parse_duration("250ms") == 0.25
    for text in ("", "5", "s", "5 s", "1d"):
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(text)
