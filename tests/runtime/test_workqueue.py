"""The work queue's promises, as a state machine against a model, and its timing."""

import asyncio
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kapp.runtime.workqueue import ShutDown, WorkQueue


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when told to."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def time(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds
        self.settle()

    def settle(self):
        async def turns():
            for _ in range(3):
                await asyncio.sleep(0)

        self.run_until_complete(turns())


keys = st.sampled_from("abcde")


class QueueMachine(RuleBasedStateMachine):
    """The model: a FIFO of distinct keys, what is being processed, what was added meanwhile."""

    def __init__(self):
        super().__init__()
        self.loop = FakeTimeLoop()
        self.queue = WorkQueue(base_delay_s=1, max_delay_s=8, random=lambda: 0.5)
        self.waiting = deque()
        self.processing = set()
        self.again = set()
        self.delayed = {}
        self.failures = {}
        self.shut = False

    def teardown(self):
        self.loop.close()

    def run(self, function, *args):
        async def call():
            return function(*args)

        return self.loop.run_until_complete(call())

    def model_add(self, key):
        if self.shut or key in self.waiting:
            return
        if key in self.processing:
            self.again.add(key)
        else:
            self.waiting.append(key)

    @rule(key=keys)
    def add(self, key):
        self.run(self.queue.add, key)
        self.model_add(key)

    @rule(key=keys, delay=st.sampled_from([1.0, 2.5, 5.0]))
    def add_after(self, key, delay):
        self.run(self.queue.add_after, key, delay)
        if not self.shut:
            due = self.loop.now + delay
            self.delayed[key] = min(due, self.delayed.get(key, due))

    @rule(key=keys)
    def add_rate_limited(self, key):
        delay = self.run(self.queue.add_rate_limited, key)
        failures = self.failures.get(key, 0)
        self.failures[key] = failures + 1
        assert delay == min(2**failures, 8) * 0.75
        if not self.shut:
            due = self.loop.now + delay
            self.delayed[key] = min(due, self.delayed.get(key, due))

    @rule(key=keys)
    def forget(self, key):
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def time_passes(self, seconds):
        self.loop.advance(seconds)
        for key, due in sorted(self.delayed.items(), key=lambda item: item[1]):
            if due <= self.loop.now:
                del self.delayed[key]
                self.model_add(key)

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self):
        key = self.loop.run_until_complete(self.queue.get())
        assert key in self.waiting
        assert key not in self.processing
        # Keys that fell due in the same instant may come in either order; others are in order.
        assert key == self.waiting[0] or len(self.queue) + 1 == len(self.waiting)
        self.waiting.remove(key)
        self.processing.add(key)

    @precondition(lambda self: self.processing)
    @rule(data=st.data())
    def finish(self, data):
        key = data.draw(st.sampled_from(sorted(self.processing)))
        self.run(self.queue.done, key)
        self.processing.remove(key)
        if key in self.again:
            self.again.remove(key)
            self.waiting.append(key)

    @rule()
    def shut_down(self):
        self.run(self.queue.shut_down)
        self.shut = True
        self.delayed.clear()

    @precondition(lambda self: self.shut and not self.waiting and not self.again)
    @rule()
    def nothing_left(self):
        with pytest.raises(ShutDown):
            self.loop.run_until_complete(self.queue.get())

    @invariant()
    def as_many_as_expected(self):
        assert len(self.queue) == len(self.waiting)

    @invariant()
    def no_timer_but_for_delayed_keys(self):
        assert set(self.queue._timers) == set(self.delayed)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


async def test_keys_come_out_in_order_once_each():
    queue = WorkQueue()
    for key in "abcab":
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]
    assert len(queue) == 0


async def test_a_waiting_get_is_woken_by_an_add():
    queue = WorkQueue()
    async with asyncio.TaskGroup() as tasks:
        first, second = tasks.create_task(queue.get()), tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("b")
    assert {first.result(), second.result()} == {"a", "b"}


async def test_a_cancelled_get_passes_its_turn_on():
    queue = WorkQueue()
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_shutting_down_wakes_everyone_after_the_last_key():
    queue = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    waiter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.shut_down()
    queue.add("b")
    await asyncio.sleep(0)
    assert not waiter.done(), "a was added while it was processed, so it is still to come"
    queue.done("a")
    assert await asyncio.wait_for(waiter, 5) == "a"
    queue.done("a")
    with pytest.raises(ShutDown):
        await queue.get()


async def test_backoff_is_jittered_between_half_and_whole():
    low = WorkQueue(base_delay_s=1, random=lambda: 0.0)
    high = WorkQueue(base_delay_s=1, random=lambda: 0.999)
    assert low.add_rate_limited("a") == 0.5
    assert high.add_rate_limited("a") == pytest.approx(1, abs=0.01)
    assert low.failures("a") == 1
    low.shut_down()
    high.shut_down()
