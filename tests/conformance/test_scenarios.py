"""One list of scenarios, on every server: what kubectl prints is the same on all."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from _pytest.mark import ParameterSet

from .conftest import REAL_KUBECONFIG
from .scenarios import BUILTIN, CUSTOM, EVERYWHERE, Scenario
from .subjects import Step, Subject, Transcript

# A guard against what hangs: a scenario is some dozens of processes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# What is compared with what: exactly, or by outcome where one is a kind that kubectl knows.
_PAIRS = [("kapp", "embedded")]
# Where no real cluster is at hand, custom kinds are compared in what only they have.
_CUSTOM_PAIRS = [("kapp", "defined")]
if REAL_KUBECONFIG:
    _PAIRS += [("kapp", "custom"), ("embedded", "real"), ("defined", "custom")]
    _CUSTOM_PAIRS = [("kapp", "custom"), ("defined", "custom")]


def _cases() -> Iterator[ParameterSet]:
    real = [("embedded", "real")] if REAL_KUBECONFIG else []
    for scenarios, pairs in ((EVERYWHERE, _PAIRS), (CUSTOM, _CUSTOM_PAIRS), (BUILTIN, real)):
        if pairs:
            yield from (pytest.param(one, pairs, id=one.__name__) for one in scenarios)


@pytest.mark.parametrize(("scenario", "pairs"), list(_cases()))
def test_servers_agree(
    scenario: Scenario, pairs: list[tuple[str, str]], subjects: dict[str, Subject]
) -> None:
    names = sorted({name for pair in pairs for name in pair})
    with ThreadPoolExecutor(len(names)) as pool:
        steps = pool.map(lambda name: _play(scenario, subjects[name]), names)
        played = dict(zip(names, steps, strict=True))
    assert all(played.values()), "a scenario notes what it sees"
    different = [
        _difference(step, wanted, name, reference, exactly=same_kind)
        for name, reference in pairs
        for same_kind in (subjects[name].builtin == subjects[reference].builtin,)
        for step, wanted in zip(played[name], played[reference], strict=True)
        if (step.text != wanted.text if same_kind else step.outcome != wanted.outcome)
    ]
    if different:
        pytest.fail("\n".join(different), pytrace=False)


def _play(scenario: Scenario, subject: Subject) -> list[Step]:
    transcript = Transcript(subject)
    try:
        scenario(transcript)
    finally:
        transcript.close()
    return transcript.steps


def _difference(step: Step, wanted: Step, name: str, reference: str, *, exactly: bool) -> str:
    texts = (wanted.text, step.text) if exactly else (wanted.outcome, step.outcome)
    lines = difflib.unified_diff(
        *(text.splitlines() for text in texts), reference, name, lineterm="", n=1
    )
    return "\n".join([f"$ {step.title}", *lines, ""])
