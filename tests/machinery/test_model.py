"""The registry against a model of dicts: any order of writes, with watchers of every speed.

After every step what is stored is what the model holds; every watcher, whether it reads at once or
only now and then, ends with the list; one that was overtaken is told 410, lists again and goes on.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kapp.machinery.objects import Object, ObjectKey, controller_reference
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.machinery.watching import Selection

from .conftest import WIDGET, Setup, make_setup

NAMES = st.sampled_from([f"w{number}" for number in range(6)])
COLOURS = st.sampled_from(["red", "green"])
FINALIZER = "test.dev/hold"
HISTORY = 8
"""Changes that the log keeps: a watcher that waits longer than this is overtaken."""


def small_setup() -> Setup:
    made = make_setup()
    store = Store(history_events=HISTORY)
    made.registry = Registry(made.registry.scheme, store, now=lambda: made.time)
    return made


class Watcher:
    """A client: lists, watches, and lists again when it is told to."""

    def __init__(self, registry: Registry, colour: str) -> None:
        self._registry = registry
        self._selector = f"colour={colour}" if colour else ""
        self.relists = -1
        self.state: dict[str, Object] = {}
        self._list()

    def _list(self) -> None:
        self.relists += 1
        page = self._registry.list(WIDGET, label_selector=self._selector)
        self.state = {obj["metadata"]["name"]: obj for obj in page.objects()}
        self._watch: Selection = self._registry.watch(
            WIDGET, resource_version=page.resource_version, label_selector=self._selector
        )

    def read(self) -> None:
        """Take everything that has come."""
        while events := self._watch.take():
            for event in events:
                name = event.key.name
                if event.type == "DELETED":
                    del self.state[name]
                else:
                    assert (name in self.state) == (event.type == "MODIFIED")
                    self.state[name] = event.object()
        if self._watch.closed:
            assert self._watch.error is not None
            assert self._watch.error.code == 410
            self._list()


class Model(RuleBasedStateMachine):
    """Names to colours; which are held by a finalizer, which are being deleted, who owns whom."""

    def __init__(self) -> None:
        super().__init__()
        self.setup = small_setup()
        self.colours: dict[str, str] = {}
        self.held: set[str] = set()
        self.ending: set[str] = set()
        self.owner: dict[str, str] = {}
        self.watchers = [Watcher(self.setup.registry, colour) for colour in ("", "red")]
        self.slow = Watcher(self.setup.registry, "")

    @rule(name=NAMES, colour=COLOURS, held=st.booleans(), owner=NAMES)
    def create(self, name: str, colour: str, held: bool, owner: str) -> None:
        meta: dict[str, Any] = {"labels": {"colour": colour}}
        if held:
            meta["finalizers"] = [FINALIZER]
        owned = owner in self.colours and owner not in self.ending and owner != name
        if owned:
            reference = controller_reference(self.setup.get(owner))
            meta["ownerReferences"] = [{**reference, "blockOwnerDeletion": False}]
        if name in self.colours:
            with pytest.raises(ApiError) as taken:
                self.setup.create(name, metadata=meta)
            assert taken.value.reason == "AlreadyExists"
            return
        self.setup.create(name, metadata=meta)
        self.colours[name] = colour
        if held:
            self.held.add(name)
        if owned:
            self.owner[name] = owner

    @precondition(lambda self: self.colours)
    @rule(data=st.data(), colour=COLOURS)
    def paint(self, data: st.DataObject, colour: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.colours)))
        obj = self.setup.get(name)
        obj["metadata"]["labels"] = {"colour": colour}
        self.setup.update(obj)
        self.colours[name] = colour

    @precondition(lambda self: self.colours)
    @rule(data=st.data(), orphan=st.booleans())
    def delete(self, data: st.DataObject, orphan: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.colours)))
        if name in self.ending:
            assert not self.setup.delete(name)
            return
        gone = self.setup.delete(name, propagation="Orphan" if orphan else "Background")
        assert gone == (name not in self.held)
        if orphan:
            self.owner = {child: owner for child, owner in self.owner.items() if owner != name}
        self._ended(name)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        obj = self.setup.get(name)
        obj["metadata"]["finalizers"] = []
        self.setup.update(obj)
        self.held.discard(name)
        if name in self.ending:
            self._ended(name)

    def _ended(self, name: str) -> None:
        if name in self.held:
            self.ending.add(name)
            return
        del self.colours[name]
        self.ending.discard(name)
        self.owner.pop(name, None)
        for child in [child for child, owner in self.owner.items() if owner == name]:
            if child in self.colours and child not in self.ending:
                self._ended(child)

    @rule()
    def read_late(self) -> None:
        self.slow.read()
        self._agrees(self.slow, self.colours)

    @invariant()
    def stored_as_modelled(self) -> None:
        listed = {
            obj["metadata"]["name"]: obj for obj in self.setup.registry.list(WIDGET).objects()
        }
        assert {n: o["metadata"]["labels"]["colour"] for n, o in listed.items()} == self.colours
        ending = {n for n, o in listed.items() if "deletionTimestamp" in o["metadata"]}
        assert ending == self.ending

    @invariant()
    def watchers_agree(self) -> None:
        everything, red = self.watchers
        for watcher in self.watchers:
            watcher.read()
        self._agrees(everything, self.colours)
        self._agrees(red, {n: c for n, c in self.colours.items() if c == "red"})

    def _agrees(self, watcher: Watcher, wanted: dict[str, str]) -> None:
        found = {n: o["metadata"]["labels"]["colour"] for n, o in watcher.state.items()}
        assert found == wanted
        for name, obj in watcher.state.items():
            assert obj == self.setup.get(name)


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
test_the_registry_is_its_model = Model.TestCase


def test_an_overtaken_watcher_recovers() -> None:
    setup = small_setup()
    watcher = Watcher(setup.registry, "")
    setup.create("a", metadata={"labels": {"colour": "red"}})
    for number in range(3 * HISTORY):
        obj = setup.get("a")
        obj["spec"] = {"size": number}
        setup.update(obj)
    watcher.read()
    assert watcher.relists == 1
    assert watcher.state["a"]["spec"]["size"] == 3 * HISTORY - 1
    setup.delete("a")
    watcher.read()
    assert (watcher.relists, watcher.state) == (1, {})


def tracked() -> int:
    """How many containers the interpreter holds."""
    gc.collect()
    return len(gc.get_objects())


def stored(store: Store) -> Callable[[int], None]:
    """Creates and removes objects of ever new names; fifty are there at any time."""

    def write(number: int) -> None:
        name = f"w{number}"
        meta = {"namespace": "ns", "name": name, "uid": f"u{number}"}
        store.create("widgets", ObjectKey("ns", name), {"metadata": meta})
        if number >= 50:
            store.remove("widgets", ObjectKey("ns", f"w{number - 50}"))

    return write


def registered(setup: Setup) -> Callable[[int], None]:
    """The same through the registry: owners, finalizers, managers, watches that come and go."""
    watches: list[Selection] = []

    def write(number: int) -> None:
        parent = setup.create(f"p{number}", metadata={"finalizers": [FINALIZER]})
        meta = {"ownerReferences": [controller_reference(parent)]}
        setup.create(f"c{number}", metadata=meta, spec={"size": number})
        watches.append(setup.registry.watch(WIDGET, resource_version=""))
        if len(watches) > 5:
            watches.pop(0).close()
        setup.delete(f"p{number}")
        parent = setup.get(f"p{number}")
        parent["metadata"]["finalizers"] = []
        setup.update(parent, manager=f"manager{number}")

    return write


@pytest.mark.parametrize(
    ("make", "first", "more"),
    [
        pytest.param(lambda: stored(Store()), 5_000, 50_000, id="store"),
        pytest.param(lambda: registered(small_setup()), 100, 1_000, id="registry"),
    ],
)
def test_nothing_grows_with_the_number_of_writes(
    make: Callable[[], Callable[[int], None]], first: int, more: int
) -> None:
    # A million were written once, with the same end: 16 000 containers, 15 MiB before and after.
    write = make()
    for number in range(first):
        write(number)
    before = tracked()
    for number in range(first, first + more):
        write(number)
    assert tracked() < before + more / 100
