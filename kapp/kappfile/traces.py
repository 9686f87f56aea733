"""Reads the call chains that starlark-rust prints, in errors and from `call_stack()`."""

from __future__ import annotations

import re

from kapp.kappfile.errors import Frame

PRELUDE_FILE = "<kapp>"
"""The file name of kapp's own Starlark, left out of every call chain."""

_FRAME = re.compile(r"^  \* (.*):(\d+), in (.*)$", re.MULTILINE)

_OUTER_FRAMES = 5
_INNER_FRAMES = 15
# Endless recursion is 1000 frames deep; its ends tell the story.


def frames_of(trace: str) -> list[Frame]:
    """The Kappfile's frames in a printed call chain, outermost first, the middle left out."""
    frames = [
        Frame(path, int(line), "" if function == "<module>" else function)
        for path, line, function in _FRAME.findall(trace)
        if path != PRELUDE_FILE
    ]
    if len(frames) > _OUTER_FRAMES + _INNER_FRAMES:
        return frames[:_OUTER_FRAMES] + frames[-_INNER_FRAMES:]
    return frames
