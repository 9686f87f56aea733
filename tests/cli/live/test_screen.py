"""What a terminal shows after the screen's control sequences: pyte is the terminal."""

import pyte
from hypothesis import given
from hypothesis import strategies as st

from kapp.cli.live.screen import Screen

COLUMNS, ROWS = 40, 12


class Terminal:
    def __init__(self):
        self.screen = pyte.HistoryScreen(COLUMNS, ROWS, history=10_000)
        # a terminal's own line discipline makes CR LF of LF
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)

    def feed(self, text):
        self._stream.feed(text)

    def history(self):
        """All lines ever, the ones that scrolled away first, without trailing emptiness."""
        gone = [
            "".join(line[x].data for x in range(COLUMNS)).rstrip()
            for line in self.screen.history.top
        ]
        lines = gone + [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


_TEXTS = st.lists(st.text("abc ", min_size=1, max_size=30).map(str.strip), max_size=8)
_PANELS = st.lists(st.text("xyz", min_size=1, max_size=COLUMNS - 1), min_size=1, max_size=6)


@given(st.lists(st.tuples(_TEXTS, _PANELS), min_size=1, max_size=12))
def test_text_flows_above_a_panel_that_stays_at_the_bottom(steps):
    terminal, screen, said = Terminal(), Screen(), []
    for texts, panel in steps:
        terminal.feed(screen.update("".join(f"{one}\n" for one in texts), panel))
        said += texts
        assert terminal.history() == [*said, *panel]
    terminal.feed(screen.leave())
    while said and not said[-1]:
        said.pop()
    assert terminal.history() == said


def test_a_resize_paints_the_newest_text_and_one_panel():
    terminal, screen = Terminal(), Screen()
    panel = ["-" * 20, "web ready"]
    terminal.feed(screen.update("".join(f"line {i}\n" for i in range(30)), panel))
    terminal.screen.resize(8, 30)
    terminal.feed(screen.resized(panel, 8))
    shown = [line.rstrip() for line in terminal.screen.display]
    assert shown == [*(f"line {i}" for i in range(24, 30)), *panel]
