"""What a coroutine sees that runs in callbacks, and what its owner hears: as of a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.exchange import Response
from proxy.exchange.eager import start
from proxy.exchange.running import Answer, Running, run
from proxy.http.fields import Fields

Body = Callable[["Transcript"], Coroutine[Any, Any, None]]


class Transcript(list[str]):
    """What happened, in order. first, second: to be waited for."""

    def __init__(self) -> None:
        self.first: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.second: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.running: Running | None = None

    def begin(self, body: Body) -> None:
        self.running = run(body(self), lambda error: self.append(f"ended: {error!r}"))

    def cancel(self) -> None:
        assert self.running is not None
        self.running.cancel()


def transcript(main: Callable[[Transcript], Coroutine[Any, Any, None]]) -> list[str]:
    async def whole() -> Transcript:
        told = Transcript()
        await main(told)
        for _ in range(4):
            await asyncio.sleep(0)
        return told

    return asyncio.run(whole(), debug=True)


async def two_waits(told: Transcript) -> None:
    try:
        told.append(await told.first)
        told.append(await told.second)
    except asyncio.CancelledError:
        told.append("cancelled")
        raise


def test_one_that_does_not_wait_is_over_and_nobody_is_told() -> None:
    async def at_once(told: Transcript) -> None:
        told.append("ran")

    async def main(told: Transcript) -> None:
        told.begin(at_once)
        assert told.running is None

    assert transcript(main) == ["ran"]


def test_what_is_raised_before_the_first_wait_is_the_callers() -> None:
    async def fails(told: Transcript) -> None:
        raise ValueError("at once")

    async def main(told: Transcript) -> None:
        with pytest.raises(ValueError, match="at once"):
            told.begin(fails)

    assert transcript(main) == []


def test_it_goes_on_with_each_result() -> None:
    async def main(told: Transcript) -> None:
        told.begin(two_waits)
        assert len(asyncio.all_tasks()) == 1
        told.first.set_result("one")
        await asyncio.sleep(0)
        told.append("between")
        told.second.set_result("two")

    assert transcript(main) == ["one", "between", "two", "ended: None"]


def test_what_the_future_fails_with_is_raised_where_it_waits() -> None:
    async def main(told: Transcript) -> None:
        told.begin(two_waits)
        told.first.set_exception(ValueError("no"))

    assert transcript(main) == ["ended: ValueError('no')"]


def test_a_turn_of_the_loop_can_be_waited_for() -> None:
    async def yields(told: Transcript) -> None:
        await asyncio.sleep(0)
        told.append("later")

    async def main(told: Transcript) -> None:
        told.begin(yields)
        told.append("first")

    assert transcript(main) == ["first", "later", "ended: None"]


def test_cancelled_where_it_waits() -> None:
    async def main(told: Transcript) -> None:
        told.begin(two_waits)
        told.cancel()
        told.append("soon")
        await asyncio.sleep(0)
        assert told.first.cancelled()

    assert transcript(main) == ["soon", "cancelled", "ended: CancelledError()"]


def test_cancelled_after_what_it_waited_for_was_there() -> None:
    async def main(told: Transcript) -> None:
        told.begin(two_waits)
        told.first.set_result("one")
        told.cancel()

    assert transcript(main) == ["cancelled", "ended: CancelledError()"]


def test_cancelled_between_two_turns() -> None:
    async def yields(told: Transcript) -> None:
        await asyncio.sleep(0)
        told.append("never")

    async def main(told: Transcript) -> None:
        told.begin(yields)
        told.cancel()

    assert transcript(main) == ["ended: CancelledError()"]


def test_cancelled_by_itself_where_it_waits_next() -> None:
    async def by_itself(told: Transcript) -> None:
        await told.first
        told.cancel()
        told.append("goes on")
        await told.second

    async def main(told: Transcript) -> None:
        told.begin(by_itself)
        told.first.set_result("one")

    assert transcript(main) == ["goes on", "ended: CancelledError()"]


def test_one_that_does_not_let_itself_be_cancelled() -> None:
    async def stubborn(told: Transcript) -> None:
        try:
            await told.first
        except asyncio.CancelledError:
            told.append(await told.second)

    async def main(told: Transcript) -> None:
        told.begin(stubborn)
        told.cancel()
        await asyncio.sleep(0)
        told.second.set_result("two")

    assert transcript(main) == ["two", "ended: None"]


def test_to_cancel_one_that_is_over_does_nothing() -> None:
    async def main(told: Transcript) -> None:
        told.begin(two_waits)
        told.first.set_exception(ValueError("no"))
        await asyncio.sleep(0)
        told.cancel()

    assert transcript(main) == ["ended: ValueError('no')"]


def test_an_order_to_stop_the_process_is_not_kept_from_it() -> None:
    heard: list[BaseException | None] = []

    async def stops(future: asyncio.Future[None]) -> None:
        await future
        raise SystemExit(3)

    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run(stops(future), heard.append)
        future.set_result(None)
        await asyncio.sleep(1)

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert [repr(error) for error in heard] == ["SystemExit(3)"]


def waiting_for(answer: Answer) -> Body:
    async def body(told: Transcript) -> None:
        try:
            told.append(repr(await answer))
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    return body


def an_answer() -> Answer:
    return Answer(asyncio.get_running_loop())


def test_it_goes_on_as_soon_as_an_answer_is_there() -> None:
    async def main(told: Transcript) -> None:
        answer = an_answer()
        told.begin(waiting_for(answer))
        answer.set_result(Response(204, Fields()))
        told.append("after")

    assert transcript(main) == ["<Response 204>", "ended: None", "after"]


def test_an_answer_that_is_there_is_not_waited_for() -> None:
    async def main(told: Transcript) -> None:
        answer = an_answer()
        answer.set_result(Response(204, Fields()))
        told.begin(waiting_for(answer))
        assert told.running is None

    assert transcript(main) == ["<Response 204>"]


def test_what_comes_instead_of_an_answer_takes_a_turn() -> None:
    async def main(told: Transcript) -> None:
        answer = an_answer()
        told.begin(waiting_for(answer))
        answer.set_exception(ValueError("no"))
        told.append("after")

    assert transcript(main) == ["after", "ended: ValueError('no')"]


def test_cancelled_where_it_waits_for_an_answer() -> None:
    async def main(told: Transcript) -> None:
        answer = an_answer()
        told.begin(waiting_for(answer))
        told.cancel()
        assert answer.done()
        told.append("soon")

    assert transcript(main) == ["soon", "cancelled", "ended: CancelledError()"]


def test_an_answer_is_a_future_for_tasks() -> None:
    async def main(told: Transcript) -> None:
        answer, other = an_answer(), an_answer()
        tasks = [asyncio.create_task(waiting_for(each)(told)) for each in (answer, answer, other)]
        await asyncio.sleep(0)
        answer.set_result(Response(204, Fields()))
        told.append("after")
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [False, False, True]

    assert transcript(main) == ["after", "<Response 204>", "<Response 204>", "cancelled"]


def test_a_task_that_takes_a_begun_coroutine_over_can_be_cancelled_before_it_begins() -> None:
    async def main(told: Transcript) -> None:
        answer = an_answer()
        task = start(waiting_for(answer)(told))
        assert isinstance(task, asyncio.Task)
        task.cancel()
        await asyncio.wait([task])
        assert answer.done()

    assert transcript(main) == ["cancelled"]
