"""Coroutines that run at once, and become tasks only when they wait."""

from __future__ import annotations

import asyncio

import pytest

from proxy.exchange.eager import start
from tests.patience import PATIENCE


async def _value() -> int:
    return 7


def test_without_waiting_there_is_no_task_and_no_loop() -> None:
    assert start(_value()) == 7


def test_an_exception_without_waiting_is_raised_at_once() -> None:
    async def fails() -> None:
        raise ValueError("now")

    with pytest.raises(ValueError, match="now"):
        start(fails())


def test_what_waits_becomes_a_task_and_goes_on_where_it_was() -> None:
    async def scenario() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def waits() -> int:
            first = await future
            await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                return first + await _value()

        task = start(waits())
        assert isinstance(task, asyncio.Task)
        future.set_result(1)
        assert await task == 8

    asyncio.run(scenario())


def test_cancelling_the_task_reaches_the_coroutine_where_it_waits() -> None:
    async def scenario() -> list[str]:
        seen: list[str] = []

        async def waits() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        task = start(waits())
        assert isinstance(task, asyncio.Task)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(scenario()) == ["cancelled"]


def test_a_failed_future_is_thrown_in() -> None:
    async def scenario() -> str:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def waits() -> str:
            try:
                await future
            except ValueError as error:
                return str(error)
            return "no error"

        task = start(waits())
        assert isinstance(task, asyncio.Task)
        future.set_exception(ValueError("late"))
        return await task

    assert asyncio.run(scenario()) == "late"
