"""A warning without its fields says nothing; a traceback is for those who ask for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from kapp.aio.supervise import TaskGroup
from kapp.cli import diagnostics
from kapp.cli.diagnostics import FieldFormatter
from kapp.errors import KappError


def test_fields_follow_the_constant_text() -> None:
    record = logging.makeLogRecord({"levelname": "WARNING", "msg": "watch failing"})
    record.object, record.error = "pods", "connection refused"
    assert FieldFormatter().format(record) == (
        "warning: watch failing object=pods error=connection refused"
    )


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What the user is shown."""
    texts: list[str] = []
    with diagnostics.shown_by(texts.append):
        yield texts


async def fail_in_the_background(error: Exception) -> None:
    async def job() -> None:
        raise error

    async with TaskGroup("group") as group:
        group.spawn(job(), "job")
        while len(group):
            await asyncio.sleep(0)


async def test_a_failing_task_is_a_sentence_and_a_hint(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAPP_DEBUG", raising=False)
    await fail_in_the_background(ValueError("no such\nthing"))
    (text,) = shown
    assert text == (
        "error: a background task failed task=group/job error=ValueError: no such thing\n"
        "hint: this is a bug in kapp; run again with `kapp --debug …` and report the traceback\n"
    )


async def test_its_traceback_is_shown_on_request(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAPP_DEBUG", "1")
    await fail_in_the_background(ValueError("no such thing"))
    assert "Traceback (most recent call last)" in shown[0]
    assert shown[0].endswith("ValueError: no such thing\n")


async def test_an_error_of_kapps_own_explains_itself(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAPP_DEBUG", raising=False)
    await fail_in_the_background(KappError("the disk is full", hint="make room"))
    await fail_in_the_background(KappError("the disk is full"))
    text = "error: a background task failed task=group/job error=the disk is full\n"
    assert shown == [text + "hint: make room\n", text]
