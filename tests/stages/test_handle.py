"""Components that export wasi:http/handler 0.3, as Rust's toolchain makes them, behind the stage that runs them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from proxy import errors, wasi
from proxy.component import decode
from proxy.errors import ProxyError
from proxy.exchange import Body, Exchange, Pipe, Request, Response, collect
from proxy.exchange.eager import start
from proxy.exchange.observation import Reads
from proxy.http.fields import Fields
from proxy.sandbox import Limits
from proxy.stages.handle import Handle
from proxy.telemetry import FilterTally
from proxy.upstream import Endpoint
from proxy.wasi.http import Outgoing
from proxy.wasi.p3 import handler_interfaces
from proxy.wasi.p3.http import Handler
from tests.integration.site import Asked, engine, ok, origin

GUEST = Path(__file__).parents[1] / "wasi" / "guests" / "built" / "middleware.wasm"
LIMITS = Limits(memory=32 << 20, time=0.5)
TOTAL = 5.0

Below = Callable[[Request], Awaitable[Response]]


@cache
def handler(total: float, reuse: int = 1, concurrent: int = 1) -> Handler:
    imports = wasi.service_interfaces({}) | handler_interfaces({})
    component = decode(GUEST.read_bytes())
    return Handler(component, engine(), imports, LIMITS, total, reuse=reuse, concurrent=concurrent)


def stage(client: Outgoing | None = None, total: float = TOTAL, *, fail_open: bool = False) -> Handle:
    return placed(handler(total), client, fail_open=fail_open)


def placed(made: Handler, client: Outgoing | None = None, *, fail_open: bool = False) -> Handle:
    return Handle("mw", made, client or Outgoing([]), FilterTally("mw"), passes=True, fail_open=fail_open)


def request(target: str, body: Body = b"", method: str = "GET", **fields: str) -> Request:
    path, mark, query = target.partition("?")
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return Request(method, "http", "site.example", path, query if mark else None, Fields(lines), Exchange("id"), body)


class Origin:
    """What is below: answers with the path, and keeps what it was asked."""

    def __init__(self, body: Body = b"", status: int = 200) -> None:
        self.asked: list[Request] = []
        self._body = body
        self._status = status

    async def __call__(self, asked: Request) -> Response:
        self.asked.append(asked)
        await asyncio.sleep(0)
        return Response(self._status, Fields([(b"x-origin", b"yes")]), self._body or asked.path.encode(), ("tag",))


def run(asked: Request, below: Below | None = None, client: Outgoing | None = None) -> tuple[Response, bytes]:
    async def running() -> tuple[Response, bytes]:
        response = await stage(client)(asked, below or Origin())
        return response, await collect(response.body, 1 << 20)

    return asyncio.run(running())


def text(target: str) -> str:
    return run(request(target))[1].decode()


# Zero, one and several times below.


@pytest.mark.parametrize("target", ["/get?x", "/answer", "/upper", "/trailers", "/error"])
def test_an_exchange_leaves_nothing_for_the_garbage_collector(target: str) -> None:
    """With many of them waiting, a collection goes through all that they hold: so none should be needed."""

    async def exchange(place: Handle) -> None:
        with suppress(ProxyError):
            response = await place(request(target), Origin(b"content"))
            await collect(response.body, 1 << 20)
        await asyncio.sleep(0)

    async def running() -> int:
        place = stage()
        await exchange(place)
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await exchange(place)
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(running()) == 0


def test_what_it_does_not_touch_is_what_it_was() -> None:
    """Neither request nor response is copied, and no byte of the bodies goes through the guest."""
    origin = Origin(b"content")
    asked = request("/pass", b"posted", "POST")
    response, body = run(asked, origin)
    assert origin.asked == [asked]
    assert (response.status, body, response.tags) == (200, b"content", ("tag",))
    assert response.fields.lines == [(b"x-origin", b"yes")]


def test_it_may_answer_by_itself() -> None:
    origin = Origin()
    assert run(request("/answer"), origin)[1] == b"answered here"
    assert origin.asked == []


def test_it_may_ask_below_several_times() -> None:
    assert text("/twice") == "/one /two"


def test_several_at_once() -> None:
    second = asyncio.Event()

    async def both(asked: Request) -> Response:
        """Answers the first when the second has asked."""
        if asked.path == "/two":
            second.set()
        await second.wait()
        return Response(200, Fields(), asked.path.encode())

    assert run(request("/together"), both)[1] == b"/one /two"


def test_a_changed_request() -> None:
    origin = Origin()
    run(request("/method", b"posted", "POST", x="y"), origin)
    (asked,) = origin.asked
    assert (asked.method, asked.path, asked.query, asked.body) == ("PUT", "/changed", "a=b", b"posted")
    assert asked.fields.lines == [(b"x", b"y")]


def test_the_body_of_a_request() -> None:
    async def streamed() -> bytes:
        pipe = Pipe()
        pipe.feed(b"first ")
        asyncio.get_running_loop().call_soon(pipe.feed, b"second")
        asyncio.get_running_loop().call_later(0.001, pipe.end)
        response = await stage()(request("/body", pipe, "POST"), Origin())
        return await collect(response.body, 100)

    assert run(request("/body", b"posted", "POST"))[1] == b"posted"
    assert asyncio.run(streamed()) == b"first second"


def test_a_response_that_is_rewritten_as_it_comes() -> None:
    """The guest has a chunk before the next one is there."""

    async def rewriting() -> list[bytes]:
        pipe, seen = Pipe(), []

        async def below(_: Request) -> Response:
            return Response(200, Fields(), pipe)

        response = await stage()(request("/upper"), below)
        assert not isinstance(response.body, bytes)
        for chunk in (b"one", b"two"):
            pipe.feed(chunk)
            seen.append(await response.body.read())
        pipe.end()
        seen.append(await response.body.read())
        return seen

    assert asyncio.run(rewriting()) == [b"ONE", b"TWO", b""]


def test_an_exchange_with_nothing_to_wait_for_takes_no_turn_of_the_event_loop() -> None:
    """Head and body: the guest, what is below it, the guest again."""

    async def below(asked: Request) -> Response:
        return Response(200, Fields(), asked.path.encode())

    async def whole() -> bytes:
        response = await stage()(request("/upper"), below)
        return await collect(response.body, 1 << 20)

    async def running() -> object:
        return start(whole())

    assert asyncio.run(running()) == b"/UPPER"


def test_a_body_that_is_handed_on_is_of_the_instance_that_writes_it() -> None:
    """Each has its instance back as soon as it is done: the one above with its answer, the one below with its body."""
    above, lower = handler(TOTAL + 1), handler(TOTAL + 2)

    async def below(asked: Request) -> Response:
        changed = asked.copy()
        changed.path = "/upper"
        return await placed(lower)(changed, Origin(b"text"))

    async def whole() -> tuple[list[int], bytes]:
        response = await placed(above)(request("/pass"), below)
        alive = [above.alive, lower.alive]
        body = await collect(response.body, 1 << 20)
        return [*alive, above.alive, lower.alive], body

    assert asyncio.run(whole()) == ([0, 1, 0, 0], b"TEXT")


class Endless:
    """A body that counts how far whoever reads it is ahead of whoever gets it in the end."""

    length = None
    trailers = None

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.ahead = self.most = 0

    async def read(self) -> bytes:
        if not self.left:
            return b""
        self.left -= 1
        self.ahead += CHUNK
        self.most = max(self.most, self.ahead)
        return b"x" * CHUNK

    def close(self) -> None:
        self.left = 0


CHUNK = 64 * 1024


def test_a_large_body_is_never_there_whole() -> None:
    """16 MiB, of which a few chunks are anywhere at a time."""

    async def streaming() -> tuple[int, int]:
        body, total = Endless(256), 0

        async def below(_: Request) -> Response:
            return Response(200, Fields(), body)

        response = await stage()(request("/upper"), below)
        assert not isinstance(response.body, bytes)
        while chunk := await response.body.read():
            assert chunk.strip(b"X") == b""
            total += len(chunk)
            body.ahead -= len(chunk)
        return total, body.most

    total, most = asyncio.run(streaming())
    assert total == 256 * CHUNK
    assert most <= 4 * CHUNK


def test_a_client_that_stops_reading_ends_the_origins_body() -> None:
    async def leaving() -> int:
        body = Endless(1000)

        async def below(_: Request) -> Response:
            return Response(200, Fields(), body)

        response = await stage()(request("/upper"), below)
        assert not isinstance(response.body, bytes)
        await response.body.read()
        response.body.close()
        await handler(TOTAL).rest()
        return body.left

    assert asyncio.run(leaving()) == 0


def test_trailers() -> None:
    response, body = run(request("/trailers"))
    assert body == b"body"
    assert not isinstance(response.body, bytes)
    assert response.body.trailers is not None
    assert response.body.trailers.lines == [(b"x-last", b"one")]


# What caches above are told.


def reads(target: str) -> tuple[Reads, Reads]:
    """What is observed of the request as it came, and as it was passed down."""
    asked, observed, below = request(target, accept="text/html"), Reads(), Reads()
    asked.observers = ((observed, frozenset()),)

    async def origin(passed: Request) -> Response:
        for each, written in passed.observers:
            assert each is observed
            below.update(dict.fromkeys(written))
        return Response(200, Fields())

    run(asked, origin)
    return observed, below


PATH = {("path", ""): None, ("query", ""): None}


def test_a_field_that_is_read_is_observed() -> None:
    assert reads("/get?accept")[0] == PATH | {("header", "accept"): None}


def test_copying_all_fields_observes_everything() -> None:
    assert reads("/copy")[0] == PATH | {("headers", ""): None}


def test_what_is_written_below_is_not_observed() -> None:
    assert reads("/method")[1] == {("method", ""): None, ("path", ""): None, ("query", ""): None}


# Failures.


def test_an_error_is_its_row_of_the_table() -> None:
    with pytest.raises(ProxyError) as caught:
        run(request("/error"))
    assert caught.value.failure is errors.DESTINATION_UNAVAILABLE


def test_an_error_from_below_goes_up_as_it_is() -> None:
    async def refused(_: Request) -> Response:
        raise ProxyError(errors.CONNECTION_REFUSED, "nobody there")

    with pytest.raises(ProxyError) as caught:
        run(request("/pass"), refused)
    assert caught.value.failure is errors.CONNECTION_REFUSED


@pytest.mark.parametrize("target", ["/broken", "/unfinished", "/trap-late"])
def test_a_body_that_does_not_become_whole(target: str) -> None:
    async def reading() -> None:
        response = await stage()(request(target), Origin())
        assert not isinstance(response.body, bytes)
        assert await response.body.read() == b"half"
        with pytest.raises(ProxyError) as caught:
            await response.body.read()
        assert caught.value.failure is errors.HTTP_RESPONSE_INCOMPLETE

    asyncio.run(reading())


@pytest.mark.parametrize("target", ["/trap", "/spin", "/asks"])
def test_a_guest_that_fails(target: str) -> None:
    with pytest.raises(ProxyError) as caught:
        run(request(target))
    assert caught.value.failure is errors.PROXY_INTERNAL_ERROR


def test_without_it_if_that_is_what_is_wanted() -> None:
    async def running() -> bytes:
        response = await stage(fail_open=True)(request("/trap"), Origin())
        return await collect(response.body, 100)

    assert asyncio.run(running()) == b"/trap"


def test_one_that_takes_too_long_altogether() -> None:
    async def waiting() -> None:
        with pytest.raises(ProxyError, match="mw failed"):
            await stage(total=0.05)(request("/wait?10000"), Origin())

    asyncio.run(waiting())


def test_who_only_yields_is_stopped_too() -> None:
    with pytest.raises(ProxyError, match="mw failed"):
        run(request("/yields"))


# What outlives what.


def test_a_client_that_goes_ends_it() -> None:
    """The guest waits for what nobody wants any more."""

    async def leaving() -> int:
        each = stage()
        asked = asyncio.get_running_loop().create_task(each(request("/wait?10000"), Origin()))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        return handler(TOTAL).alive

    assert asyncio.run(leaving()) == 0


def test_a_client_that_goes_leaves_others_of_its_instance_alone() -> None:
    """The guest would trap if it were told."""
    shared = handler(TOTAL, 4, 4)

    async def leaving() -> tuple[int, Body]:
        each = placed(shared)
        leaves, stays = (
            asyncio.get_running_loop().create_task(each(request(target), Origin()))
            for target in ("/wait?10000", "/wait?100")
        )
        await asyncio.sleep(0.02)
        instances = shared.alive
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        return instances, (await stays).body

    assert asyncio.run(leaving()) == (1, b"waited")


def test_a_body_that_is_there_at_once_is_no_stream() -> None:
    response = asyncio.run(stage()(request("/answer"), Origin()))
    assert response.body == b"answered here"


def test_it_may_go_on_after_its_answer() -> None:
    async def afterwards() -> list[str]:
        came = asyncio.Event()

        def answering(_: Asked) -> bytes:
            came.set()
            return ok()

        async with origin(answering) as (port, asked):
            client = Outgoing([Endpoint("127.0.0.1", port)])
            response = await stage(client)(request(f"/afterwards?127.0.0.1:{port}/later"), Origin())
            assert await collect(response.body, 100) == b"before"
            await came.wait()
            client.close()
            return [each.target for each in asked]

    assert asyncio.run(afterwards()) == ["/later"]


def test_a_subrequest() -> None:
    async def asking() -> bytes:
        async with origin(ok(b"fragment")) as (port, _):
            client = Outgoing([Endpoint("127.0.0.1", port)])
            response = await stage(client)(request(f"/asked?127.0.0.1:{port}/fragment"), Origin())
            body = await collect(response.body, 100)
            client.close()
            return body

    assert asyncio.run(asking()) == b"fragment"


def test_an_origin_that_was_not_granted() -> None:
    with pytest.raises(ProxyError) as caught:
        run(request("/asked?127.0.0.1:1/"))
    assert caught.value.failure is errors.HTTP_REQUEST_DENIED


def test_each_exchange_has_an_instance_of_its_own() -> None:
    assert [text("/calls") for _ in range(3)] == ["1", "1", "1"]


# Instances that are used again.


async def called(made: Handler, target: str) -> str:
    """The answer, when everything about it is over."""
    response = await placed(made)(request(target), Origin())
    said = (await collect(response.body, 100)).decode()
    await made.rest()
    return said


def test_an_instance_that_has_several_exchanges() -> None:
    async def calling() -> list[str]:
        return [await called(handler(TOTAL, 3), "/calls") for _ in range(5)]

    assert asyncio.run(calling()) == ["1", "2", "3", "1", "2"]


def test_several_exchanges_at_a_time_in_one_instance() -> None:
    async def calling() -> tuple[list[str], int]:
        made = handler(TOTAL, 100, 4)
        waiting = [asyncio.ensure_future(called(made, "/wait?20")) for _ in range(6)]
        await asyncio.sleep(0)
        instances = made.alive
        await asyncio.gather(*waiting)
        return [await called(made, "/calls"), await called(made, "/calls")], instances

    assert asyncio.run(calling()) == (["1", "2"], 2)


def test_what_is_read_is_observed_of_the_exchange_that_reads_it() -> None:
    async def calling() -> list[Reads]:
        made, observed = handler(TOTAL, 99, 4), [Reads(), Reads()]
        asked = [request("/get?accept", accept="a"), request("/get?cookie", cookie="b")]
        for each, reads in zip(asked, observed, strict=True):
            each.observers = ((reads, frozenset()),)
        responses = await asyncio.gather(*(placed(made)(each, Origin()) for each in asked))
        assert [each.fields.get(b"x-seen") for each in responses] == [b"a", b"b"]
        return observed

    assert asyncio.run(calling()) == [PATH | {("header", "accept"): None}, PATH | {("header", "cookie"): None}]


def test_one_that_fails_is_not_used_again() -> None:
    async def calling() -> list[str]:
        made = handler(TOTAL, 50, 4)
        first = await called(made, "/calls")
        with pytest.raises(ProxyError):
            await called(made, "/trap")
        return [first, await called(made, "/calls")]

    assert asyncio.run(calling()) == ["1", "1"]
