"""The reference pages are what the code says."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_up_to_date() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "generate_reference.py"))["pages"]()
    stale = [
        name
        for name, text in pages.items()
        if (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make reference`"
