"""Runs the programs beside this one, each in a process of its own.

    python -m benchmarks [--kubeconfig PATH] [--write FILE] [NAME…]

`--write` puts their figures as a table into a Markdown file, between its two marks, when all of
them ran. One that fails, or takes longer than ten minutes, stands in the table as failed; the
others go on. At the end it says what failed and which budgets were missed.
"""

from __future__ import annotations

import argparse
import ast
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure

HERE = Path(__file__).parent
# What every program shares; all other files are programs.
_PARTS = {"__init__", "__main__", "figures", "manifests", "observer", "world"}
# Twice as long as the longest takes, twenty rollouts on a real cluster.
_PATIENCE_S = 600


def programs() -> list[str]:
    """The names of all benchmarks."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in _PARTS)


def about(name: str) -> str:
    """What a benchmark measures, in the first sentence of its docstring."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or name
    return " ".join(text.partition("\n\n")[0].split()).rstrip(".")


def run(name: str, kubeconfig: Path | None) -> list[Figure] | None:
    """One benchmark's figures, or None if it failed."""
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "figures.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(output)]
        if kubeconfig:
            command += ["--kubeconfig", str(kubeconfig)]
        process = subprocess.Popen(command, cwd=HERE.parent, stdin=subprocess.DEVNULL)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            print(f"not within {_PATIENCE_S} s", file=sys.stderr)
            process.send_signal(signal.SIGINT)  # it takes down what it has put up
            process.wait()
        if not output.exists():
            return None
        return [Figure(**one) for one in json.loads(output.read_text())]


def table(figures: list[Figure], failed: list[str]) -> str:
    """A Markdown table of figures, and of the benchmarks that gave none."""
    rows = ["| what | kapp | budget | peer in the same run | ratio |", "|---|---|---|---|---|"]
    for one in figures:
        bound = ""
        if one.budget is not None:
            sign = "≥" if one.more_is_better else "≤"
            bound = f"{sign} {one.budget:.4g}{'' if one.met else ' **missed**'}"
        peer = "" if one.peer_value is None else f"{one.peer}: {one.peer_value:.4g} {one.unit}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        rows.append(f"| {one.name} | {one.value:.4g} {one.unit} | {bound} | {peer} | {ratio} |")
    rows += [f"| {about(name)} | **failed** | | | |" for name in failed]
    return "\n".join(rows)


def write(path: Path, title: str, text: str) -> None:
    """Replace what stands between the marks of `title`. Raises ValueError if they are missing."""
    begin, end = f"<!-- begin {title} -->", f"<!-- end {title} -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no marks {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> int:
    """Run what was asked for; 1 if a budget was missed or a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--write", type=Path, help="a Markdown file with the marks of the table")
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(programs()))
    options = parser.parse_args()
    figures: list[Figure] = []
    failed = []
    for name in options.names or programs():
        found = run(name, options.kubeconfig)
        if found is None:
            failed.append(name)
        figures += found or []
    text = table(figures, failed)
    print(f"\n{text}")
    if options.write and not options.names:
        title = "real cluster" if options.kubeconfig else "embedded cluster"
        write(options.write, title, text)
    missed = [one.name for one in figures if not one.met]
    for name in failed:
        print(f"failed: {name} ({about(name)})", file=sys.stderr)
    for name in missed:
        print(f"missed: {name}", file=sys.stderr)
    if not failed and not missed:
        print("every budget is met")
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
