"""Byte for byte what the real kubectl prints of the same objects, errors included."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from kapp.machinery.objects import ObjectKey
from kapp.machinery.options import DeleteOptions, WriteOptions
from kapp.machinery.printers import run_get, watch_get
from kapp.machinery.registry import Registry

if TYPE_CHECKING:
    from conftest import Kubectl

pytestmark = pytest.mark.slow

PRINTED = """
gd
gd -o wide
gd --no-headers
gd,note
gd,note --no-headers
all -A
wd,gd -A
wd -n other
gd web nope x2
gd/web note/n1 gd/web
gd web web
gd,note --show-labels -L example.com/tier -Lapp
gd --show-kind -l app=web
gd -l a=b
gd -l a=b --ignore-not-found
gd -l a=b -o yaml
gd -l a=b -o custom-columns=N:.metadata.name
wd -n nowhere
wd -A -l x=y
wd --field-selector colour=red -o name
gd nope --ignore-not-found -o yaml
gd,note -o name
gd.v1alpha1.kapp.dev web -oname
gd web nope -o yaml
gd nope -o yaml
gd k8s:x -o json
gd -o yaml
note n1 n2 -o json
note n1 -o yaml --show-managed-fields
note/n1 gd/web -o json
gd --sort-by=.size
gd --sort-by={.quota} -o name
gd --sort-by=version -o custom-columns=N:.metadata.name,V:version
gd -o custom-columns=N:.metadata.name,X:metadata.labels,Y:{.size}
gd -o custom-columns=N:.metadata.name --no-headers
gd -o custom-columns=M:.message,H:.html,F:.flag,N:.nothing,O:.mixed,B:.big,L:.floats
gd -o custom-columns=L:.rows[*].l
gd -o custom-columns-file=columns
gd -o jsonpath-file=template
gd -o 'jsonpath={range .items[*]}{.metadata.name}={.size}{"\\n"}{end}'
gd k8s:x -o 'jsonpath={.mixed} {.floats} {.big} {.html} {.nothing}'
gd a-much-longer-name -o jsonpath={.spec}
gd web -o 'jsonpath-as-json={.rows}{.size}{.nope}'
"""

REFUSED = """
gd,nt
foo
foos.bar.baz
gd/web/x
gd/
gd web -l a=b
gd/web -l a=b
wd one -A
gd -o jsonpath
gd -o custom-columns=
gd -o custom-columns=A
gd -o jsonpath={.items[
gd -o jsonpath-file=/nonexistent
gd -o custom-columns-file=/nonexistent
gd --foo
gd -x
gd -o
gd --output
gd -w=foo
gd --chunk-size=x
gd --show-labels -o yaml
gd --output-watch-events
gd -l a=b=c
note --field-selector x=y
gd,note -w
"""


def cases(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.strip().splitlines()]


@pytest.fixture
def files(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    (kubectl.home / "columns").write_text("NAME  SIZE\n{metadata.name} .size\n")
    (kubectl.home / "template").write_text("{.items[*].metadata.name}")
    monkeypatch.chdir(kubectl.home)


@pytest.mark.usefixtures("files")
async def test_output_is_that_of_kubectl(kubectl: Kubectl, registry: Registry) -> None:
    listed = cases(PRINTED)
    expected = await kubectl.get_each(listed)
    found = [tuple(run_get(registry, case)) for case in listed]
    assert dict(zip(map(shlex.join, listed), found, strict=True)) == dict(
        zip(map(shlex.join, listed), expected, strict=True)
    )


async def test_refusals_have_the_words_of_kubectl(kubectl: Kubectl, registry: Registry) -> None:
    for case, (_, stderr, code) in zip(
        cases(REFUSED), await kubectl.get_each(cases(REFUSED)), strict=True
    ):
        result = run_get(registry, case) if "-w" not in case else watch_get(registry, case).take()
        words, _, hint = result.stderr.partition("\nhint: ")
        assert words.strip() == stderr.partition("\nSee '")[0].strip(), case
        assert hint or words.startswith("Error from server"), case
        assert code == 1
        assert result.exit_code in (1, 2)
        assert not result.stdout


WATCHES = """
gd -w
gd -w -o wide --show-labels --no-headers
gd -w --output-watch-events
gd web -w
gd -w -l app=web
gd -w -o name
gd -w -o yaml
gd web -w -o json
gd web -w --output-watch-events -o json
gd web -w --output-watch-events -o yaml
gd -w -o custom-columns=N:.metadata.name,S:.state
gd -w --output-watch-events -o custom-columns=T:.type,N:.object.metadata.name,S:.object.state
gd web -w -o jsonpath={.state}
gd -w --sort-by=.size
"""


async def test_watches_print_what_kubectl_prints(
    kubectl: Kubectl,
    registry: Registry,
    wait_until: Callable[[Callable[[], bool]], Awaitable[None]],
) -> None:
    listed = cases(WATCHES)
    processes = [await kubectl.start(*case) for case in listed]
    try:
        mine = [watch_get(registry, case) for case in listed]
        found = [watching.take() for watching in mine]
        log = registry.store._logs["gadgets.kapp.dev"]
        await wait_until(lambda: len(log._watches) == 2 * len(listed))
        gadget = registry.scheme.by_name("gadgets")
        assert gadget is not None
        web = ObjectKey("", "web")
        options = WriteOptions()
        registry.patch(gadget, web, {"state": "longer than before"}, "merge", options)
        registry.patch(gadget, web, {"metadata": {"labels": {"app": "x"}}}, "merge", options)
        registry.delete(gadget, web, DeleteOptions())
        ends = [watching.take() for watching in mine]
        for case, process, first, last in zip(listed, processes, found, ends, strict=True):
            expected = first.stdout + last.stdout
            assert process.stdout is not None
            async with asyncio.timeout(20):
                printed = await process.stdout.readexactly(len(expected.encode()))
            assert printed.decode() == expected, case
    finally:
        for process in processes:
            process.kill()
            await process.communicate()
    assert found[-1].stderr.startswith("warning: --watch")
