"""So many at once, in order, whoever gives up."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kapp.aio.slots import Slots


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12),
    st.integers(1, 4),
)
def test_never_more_than_the_limit_and_all_get_their_turn(
    limit: int, each: list[tuple[int, bool]], later_limit: int
) -> None:
    async def play() -> None:
        slots, inside, began = Slots(limit), 0, list[int]()

        async def visit(number: int, steps: int) -> None:
            nonlocal inside
            async with slots:
                began.append(number)
                inside += 1
                assert inside <= max(limit, later_limit)
                try:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(visit(n, steps)) for n, (steps, _) in enumerate(each)]
        await asyncio.sleep(0)
        for task, (_, gives_up) in zip(tasks, each, strict=True):
            if gives_up:
                task.cancel()
        slots.limit = later_limit
        done = await asyncio.gather(*tasks, return_exceptions=True)
        stayed = [n for n, (_, gives_up) in enumerate(each) if not gives_up]
        assert [done[n] for n in stayed] == [None] * len(stayed)
        assert [n for n in began if n in stayed] == stayed
        async with slots:  # nothing was lost to those who gave up
            pass

    asyncio.run(play())
