"""Two transports joined: bytes in, bytes out, and no more than the other side takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import End, Tunnel
from tests.downstream.wire import Recorder, turn
from tests.patience import PATIENCE


class Two:
    """A tunnel between two transports."""

    def __init__(self, early: bytes = b"", late: bytes = b"") -> None:
        self.left, self.right = Recorder(), Recorder()
        self.client, self.origin = End(self.left, early), End(self.right, late)
        self.tunnel = Tunnel(self.client, self.origin)
        self.task: asyncio.Task[None]

    async def joined(self) -> Two:
        self.task = asyncio.create_task(self.tunnel.run())
        await turn()
        return self

    async def over(self) -> None:
        """The transports do what they were told."""
        for transport, end in ((self.left, self.client), (self.right, self.origin)):
            if transport.closed and not end.lost:
                end.connection_lost(None)
        await asyncio.wait_for(self.task, PATIENCE)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def wrapped() -> None:
        asyncio.run(test())

    wrapped.__name__ = test.__name__
    return wrapped


@run
async def test_what_one_says_the_other_hears() -> None:
    two = await Two(b"early", b"hello").joined()
    two.client.data_received(b" bird")
    two.origin.data_received(b" there")
    assert b"".join(two.right.writes) == b"early bird"
    assert b"".join(two.left.writes) == b"hello there"
    assert two.tunnel.sent == len(b"hello there")
    two.task.cancel()


@run
async def test_nobody_is_read_from_before_they_are_joined() -> None:
    two = Two()
    assert not two.left.reading
    assert not two.right.reading
    await two.joined()
    assert two.left.reading
    assert two.right.reading
    two.task.cancel()


@run
async def test_who_does_not_take_what_is_sent_holds_the_other_back() -> None:
    two = await Two().joined()
    two.client.pause_writing()
    assert not two.right.reading
    assert two.left.reading
    two.client.resume_writing()
    assert two.right.reading
    two.task.cancel()


@run
async def test_who_was_full_before_holds_the_other_back_too() -> None:
    left, right = Recorder(), Recorder()
    client, origin = End(left, b"", full=True), End(right, b"")
    task = asyncio.create_task(Tunnel(client, origin).run())
    await turn()
    assert not right.reading
    client.resume_writing()
    assert right.reading
    task.cancel()


@run
async def test_who_has_no_more_to_say_still_hears() -> None:
    two = await Two().joined()
    assert two.client.eof_received()
    assert two.right.half_closed
    assert not two.right.closed
    two.origin.data_received(b"the rest")
    assert two.left.writes == [b"the rest"]
    assert two.origin.eof_received()
    assert two.left.closed
    assert two.right.closed
    assert not two.left.aborted
    await two.over()


@run
async def test_an_end_that_came_before_they_were_joined() -> None:
    two = Two(late=b"bye")
    two.origin.eof_received()
    await two.joined()
    assert two.left.writes == [b"bye"]
    assert two.left.half_closed
    two.task.cancel()


@run
async def test_a_loss_that_came_before_they_were_joined() -> None:
    two = Two(late=b"bye")
    two.origin.connection_lost(None)
    await two.joined()
    assert two.left.writes == [b"bye"]
    assert two.left.closed
    await two.over()


@run
async def test_an_origin_that_breaks() -> None:
    two = await Two().joined()
    two.origin.data_received(b"half a fra")
    two.origin.connection_lost(ConnectionResetError("reset"))
    assert two.left.writes == [b"half a fra"]
    assert two.left.closed
    with pytest.raises(ProxyError) as failed:
        await two.over()
    assert failed.value.failure is errors.CONNECTION_TERMINATED


@run
async def test_a_client_that_breaks() -> None:
    two = await Two().joined()
    two.client.connection_lost(ConnectionResetError("reset"))
    assert two.right.closed
    await two.over()
    assert two.tunnel.broken


@run
async def test_a_tunnel_in_which_nothing_moves() -> None:
    two = await Two().joined()
    two.tunnel.check(100.0, idle=60.0, write=30.0)
    two.tunnel.check(159.0, idle=60.0, write=30.0)
    two.origin.data_received(b"ping")
    two.tunnel.check(200.0, idle=60.0, write=30.0)
    two.tunnel.check(259.0, idle=60.0, write=30.0)
    assert not two.left.closed
    two.tunnel.check(261.0, idle=60.0, write=30.0)
    assert two.left.aborted
    assert two.right.aborted
    with pytest.raises(ProxyError) as failed:
        await two.over()
    assert failed.value.failure is errors.CONNECTION_READ_TIMEOUT


@run
async def test_the_last_word_to_who_does_not_take_it() -> None:
    two = await Two().joined()
    two.left.unsent = 10
    two.origin.connection_lost(None)
    two.tunnel.check(100.0, idle=60.0, write=30.0)
    two.tunnel.check(131.0, idle=60.0, write=30.0)
    assert two.left.aborted
    with pytest.raises(ProxyError):
        await two.over()


@run
async def test_cancelled() -> None:
    two = await Two().joined()
    two.task.cancel()
    await turn()
    assert two.left.aborted
    assert two.right.aborted
