"""What has no end, or no measure, is ended."""

from __future__ import annotations

import threading

import pytest

from kapp.kappfile import limits

ENDLESS = "def f():\n    for i in range(2000000000):\n        %s\nf()\n"


def test_an_endless_loop(project, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CPU_S", 0.2)
    error = project.fails(ENDLESS % "pass")
    assert str(error) == "Kappfile:2: the Kappfile computes for over 0.2 s"
    assert "loop" in error.hint


def test_output_without_end(project, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CPU_S", 1.0)
    error = project.fails(ENDLESS % "print('x' * 1000)")
    assert "computes for over" in str(error)
    assert sum(map(len, error.output)) < 1_100_000


def test_memory_without_end(project, monkeypatch):
    monkeypatch.setattr(limits, "MAX_MEMORY_BYTES", 50 << 20)
    error = project.fails(
        "x = []\ndef f():\n    for i in range(2000000000):\n        x.append('x' * 9999)\nf()\n"
    )
    assert "takes over 50 MiB of memory" in str(error)


@pytest.mark.parametrize("value", ["'x' * 100000000000", "list(range(1000000000))"])
def test_a_single_value_that_is_too_large(project, value):
    error = project.fails(f"x = {value}")
    assert "too large" in str(error) or "too big" in str(error)


def test_a_save_of_an_executed_file_ends_a_loop(project):
    lib = project.write("lib.star", ENDLESS % "pass" + "x = 1\n")
    saving = threading.Timer(0.3, lib.write_text, ["x = 1\n"])
    saving.start()
    error = project.fails("load('lib.star', 'x')")
    saving.join()
    assert error.cancelled
