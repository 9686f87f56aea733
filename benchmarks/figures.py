"""What a benchmark found, printed for people and written for `make bench`.

A program calls `main(measure)`; `measure` takes the chosen cluster's kubeconfig (None: the embedded
one) and returns its figures. The program ends with 1 if a budget was missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured number.

    `budget` is what kapp allows itself, in the same unit: an upper bound, or a lower one where
    `more_is_better`. A budget of None is a number for information, the peer's share for example.
    `peer` says in words what else was measured in the same run, `peer_value` how much that took.
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    more_is_better: bool = False
    peer: str = ""
    peer_value: float | None = None

    @property
    def met(self) -> bool:
        """Whether the budget, if there is one, was kept."""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.more_is_better else self.value <= self.budget

    @property
    def ratio(self) -> float | None:
        """This number divided by the peer's."""
        return self.value / self.peer_value if self.peer_value else None

    def line(self) -> str:
        """One line for people."""
        text = f"{self.name}: {self.value:.4g} {self.unit}"
        if self.peer_value is not None:
            text += f" ({self.peer}: {self.peer_value:.4g} {self.unit}; ratio {self.ratio:.2f})"
        if self.budget is not None:
            bound = "at least" if self.more_is_better else "at most"
            text += f" [{bound} {self.budget:.4g}: {'met' if self.met else 'MISSED'}]"
        return text


def median(values: Sequence[float]) -> float:
    """The figure to quote: one slow run of a busy machine does not move it."""
    return statistics.median(values)


def main(measure: Callable[[Path | None], list[Figure]]) -> None:
    """Run one benchmark as a program and end the process."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a cluster, instead of the embedded one")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    figures = measure(options.kubeconfig)
    for figure in figures:
        print(figure.line(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(one) for one in figures]))
    sys.exit(0 if all(figure.met for figure in figures) else 1)
