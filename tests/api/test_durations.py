from __future__ import annotations

import pytest

from kapp.api.durations import parse_duration


def test_durations_are_go_s() -> None:
    assert parse_duration("1m30s") == 90
    assert parse_duration("250ms") == 0.25
    for text in ("", "5", "s", "5 s", "1d"):
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(text)
