"""A bell ends a wait, also when it rang before the wait began."""

import asyncio

from gateway.app.bell import Bell

FOR_EVER_S = 1_000


async def test_a_ring_ends_a_wait():
    bell = Bell()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(bell.wait(FOR_EVER_S))
        await asyncio.sleep(0)
        bell.ring()


async def test_a_ring_before_the_wait_is_not_lost_and_counts_once():
    bell = Bell()
    bell.ring()
    bell.ring()
    async with asyncio.timeout(5):
        await bell.wait(FOR_EVER_S)
        await bell.wait(0.001)  # the second wait is not ended by the first one's ring


async def test_a_silenced_bell_ends_nothing():
    bell = Bell()
    bell.ring()
    bell.silence()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(bell.wait(FOR_EVER_S))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
