"""Writes the pages of docs/reference/ from the code they describe.

Run by `make reference`; tests/meta/test_reference.py fails when a page is not what this writes.
"""

from __future__ import annotations

from pathlib import Path

from kapp.api import reference as kinds
from kapp.cli import reference as commands
from kapp.kappfile import reference as kappfile

DIRECTORY = Path(__file__).resolve().parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    return {
        "kappfile.md": kappfile.markdown(),
        "kinds.md": kinds.markdown(),
        "cli.md": commands.markdown(),
    }


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
