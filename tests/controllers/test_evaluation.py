"""Half-written files are read again, not believed."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kapp.controllers.evaluation import Evaluator, Outcome
from kapp.kappfile.context import KubeContextInfo

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


@pytest.fixture
def kappfile(tmp_path: Path) -> Path:
    path = tmp_path / "Kappfile"
    path.write_text("k8s_yaml('a.yaml')\n")
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % "a")
    return path


async def evaluate(path: Path, known: set[str] | None = None) -> Outcome:
    evaluator = Evaluator(KubeContextInfo("kind", is_local=True), {}, lambda: datetime.now(UTC))
    outcome = await evaluator.evaluate(
        str(path), (), known=known or set(), superseded=lambda: False
    )
    assert outcome is not None
    return outcome


async def test_a_file_that_is_whole_is_believed_at_once(kappfile: Path) -> None:
    started = asyncio.get_running_loop().time()
    outcome = await evaluate(kappfile, {"uncategorized"})
    assert outcome.resource_names() == {"uncategorized"}
    assert asyncio.get_running_loop().time() - started < 5


async def test_an_empty_file_is_read_again(kappfile: Path) -> None:
    manifest = kappfile.with_name("a.yaml")
    text = manifest.read_text()
    manifest.write_text("")
    asyncio.get_running_loop().call_later(0.05, manifest.write_text, text)
    outcome = await evaluate(kappfile)
    assert outcome.error is None
    assert outcome.resource_names() == {"uncategorized"}


async def test_a_kappfile_cut_to_nothing_does_not_drop_its_resources(kappfile: Path) -> None:
    text = kappfile.read_text()
    kappfile.write_text("")
    asyncio.get_running_loop().call_later(0.05, kappfile.write_text, text)
    assert (await evaluate(kappfile, {"uncategorized"})).resource_names() == {"uncategorized"}


async def test_an_error_that_stays_is_reported(kappfile: Path) -> None:
    kappfile.with_name("a.yaml").write_text("a: [")
    outcome = await evaluate(kappfile)
    assert outcome.error is not None
    assert kappfile.with_name("a.yaml") in outcome.watched_paths


async def test_a_newer_event_ends_an_evaluation(kappfile: Path) -> None:
    kappfile.write_text("def f():\n    for i in range(1000000000):\n        pass\nf()\n")
    evaluator = Evaluator(KubeContextInfo("kind", is_local=True), {}, lambda: datetime.now(UTC))
    newer: list[bool] = []
    asyncio.get_running_loop().call_later(0.05, newer.append, True)
    outcome = await evaluator.evaluate(str(kappfile), (), known=(), superseded=lambda: bool(newer))
    assert outcome is None


async def test_the_engine_s_end_is_the_evaluation_s(kappfile: Path) -> None:
    kappfile.write_text("def f():\n    for i in range(1000000000):\n        pass\nf()\n")
    evaluator = Evaluator(KubeContextInfo("kind", is_local=True), {}, lambda: datetime.now(UTC))
    asyncio.get_running_loop().call_later(0.05, evaluator.close)
    outcome = await evaluator.evaluate(str(kappfile), (), known=(), superseded=lambda: False)
    assert outcome is None


async def test_a_change_after_the_reading_is_noticed(kappfile: Path) -> None:
    manifest = kappfile.with_name("a.yaml")
    long_ago = 1_000_000_000
    for path in (kappfile, manifest):
        os.utime(path, (long_ago, long_ago))
    outcome = await evaluate(kappfile)
    assert not outcome.changed_on_disk(frozenset())
    manifest.write_text(CONFIG_MAP % "b")
    assert outcome.changed_on_disk(frozenset())


async def test_an_event_of_what_was_read_already_tells_no_news(kappfile: Path) -> None:
    outcome = await evaluate(kappfile)
    assert outcome.saw_everything()


@pytest.mark.parametrize("name", ["Kappfile", "a.yaml"])
async def test_a_write_that_bears_the_same_time_is_noticed(kappfile: Path, name: str) -> None:
    """Same size, same inode, same modification time: what was read tells."""
    outcome = await evaluate(kappfile)
    path = kappfile.with_name(name)
    before = os.stat(path)
    path.write_text(path.read_text().replace("a", "b"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert outcome.signature_now() == outcome.signature
    assert not outcome.saw_everything()


async def test_a_listing_that_is_new_is_no_proof(kappfile: Path) -> None:
    kappfile.write_text("print(listdir('.'))\n")
    in_a_minute = time.time() + 60
    os.utime(kappfile.parent, (in_a_minute, in_a_minute))
    assert not (await evaluate(kappfile)).saw_everything()
