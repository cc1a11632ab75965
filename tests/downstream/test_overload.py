"""More to do than can be done: 503 at once, for what is under way to end in time."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from proxy.downstream import Service, serve
from proxy.downstream.bind import bind
from proxy.downstream.overload import CALM, LATE, LOOK, TURN, Load, Turn
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from tests.codec.http2.wire import GET as GET_2
from tests.codec.http2.wire import headers
from tests.downstream.test_http2 import Talk
from tests.downstream.wire import Wire, hello, turn

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
SHED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b'proxy-status: sluicegate; error=proxy_internal_response; details="overloaded: too many exchanges under way"\r\n'
    b"retry-after: 1\r\ncontent-length: 66\r\n\r\n"
    b"503 Service Unavailable: overloaded: too many exchanges under way\n"
)


def test_once_it_was_late_requests_are_admitted_as_long_as_the_turn_is_short() -> None:
    turn_cost = 0.0
    load = Load(7, lambda: turn_cost)
    load.look(late=0.05, worked=0.1)
    assert load.room == 7
    load.look(late=0.6, worked=0.0)  # it stood still: nobody was busy
    assert load.room == 7
    load.look(late=0.2, worked=0.2)
    assert load.room == 0
    assert load.admitted()
    turn_cost = TURN
    assert not load.admitted()


def test_handshakes_get_half_a_turn_and_requests_the_whole() -> None:
    turn_cost = TURN
    load = Load(None, lambda: turn_cost)
    assert load.welcomes()
    load.look(late=0.2, worked=0.2)
    assert not load.welcomes()
    turn_cost = TURN / 2
    assert not load.welcomes()
    assert load.admitted()
    turn_cost = TURN / 3
    assert load.welcomes()


def test_it_is_careful_until_nothing_has_been_shed_for_a_while() -> None:
    load = Load(None, lambda: TURN)
    load.look(late=0.2, worked=0.2)
    for _ in range(3):
        for _ in range(CALM - 1):
            load.look(0.0, 0.0)
        assert not load.admitted()
    rooms = []
    for _ in range(CALM + 1):
        load.look(0.0, 0.0)
        rooms.append(load.room)
    assert rooms == [0] * CALM + [sys.maxsize]


def test_a_turn_costs_what_the_processor_did_in_it() -> None:
    def work() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    async def main() -> None:
        spent = Turn()
        assert spent() < 0.01
        time.sleep(0.02)  # noqa: ASYNC251 - as when the machine does something else
        assert spent() < 0.01
        work()
        assert spent() > 0.02
        asyncio.get_running_loop().call_soon(work)  # at the beginning of the next turn
        await turn()
        assert spent() < 0.01

    asyncio.run(main())


class Waiting:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        await self.told.wait()
        return Response(200, Fields(), b"late")


def test_no_more_exchanges_than_max_exchanges() -> None:
    async def scenario() -> None:
        handler = Waiting()
        wire = Wire(handler, max_exchanges=1)
        other, _ = wire.connect()
        assert wire.exchange(GET) == b""
        other.protocol.data_received(GET * 2)
        assert b"".join(other.writes).replace(b"date: Thu, 01 Jan 1970 00:16:40 GMT\r\n", b"") == SHED * 2
        assert [(done.exchange.failure, answer.status) for done, answer, _ in wire.done] == [
            (("proxy_internal_response", "overloaded: too many exchanges under way"), 503)
        ] * 2
        handler.told.set()
        await turn()
        assert wire.received().endswith(b"late")
        other.writes.clear()
        other.protocol.data_received(GET)
        await turn()
        assert b"".join(other.writes).endswith(b"late")

    asyncio.run(scenario())


def test_a_client_that_leaves_makes_room() -> None:
    async def scenario() -> None:
        wire = Wire(Waiting(), max_exchanges=1)
        wire.send(GET)
        wire.transport.protocol.connection_lost(None)
        await turn()
        assert wire.service.load.running == 0

    asyncio.run(scenario())


def test_what_is_answered_at_once_is_never_too_much() -> None:
    async def scenario() -> None:
        wire = Wire(hello, max_exchanges=1)
        assert wire.exchange(GET * 5).count(b"200 OK") == 5

    asyncio.run(scenario())


@pytest.mark.parametrize(("most", "room"), [(7, 0), (None, sys.maxsize)])
def test_an_event_loop_that_is_late_sheds_unless_all_is_to_be_answered(most: int | None, room: int) -> None:
    async def scenario() -> None:
        service = Service(hello, max_exchanges=most)
        listener = await serve(bind("127.0.0.1", 0), service)
        end = time.thread_time() + LATE + 2 * LOOK
        while time.thread_time() < end:
            pass  # as what has too much to do
        await turn()
        assert service.load.room == room
        await listener.drain(0)

    asyncio.run(scenario())


def test_streams_of_http2_count_each() -> None:
    async def scenario() -> None:
        handler = Waiting()
        talk = Talk(handler, max_exchanges=1)
        said = await talk.after(headers(1, GET_2), headers(3, GET_2))
        assert [line.partition(" content-type")[0] for line in said[:1]] == ["3 HEADERS :status=503"]
        handler.told.set()
        assert await talk.after() == ["1 HEADERS :status=200 content-length=4", "1 DATA late END"]
        assert talk.wire.service.load.running == 0

    asyncio.run(scenario())
