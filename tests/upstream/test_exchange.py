"""Requests to a real origin, and what comes of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import Failure, ProxyError
from proxy.exchange import Exchange, Response, collect
from proxy.http.fields import Fields
from proxy.upstream import Endpoint, Upstream
from proxy.upstream.connect import connect_clear
from proxy.upstream.connection import Connection
from tests.upstream.scripted import OK, Peer, answering, answering_once, request, run, scripted

LONG_ANSWER = (
    b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7;x\r\n, world\r\n0\r\ny: z\r\n\r\n"
)


async def failure_of(upstream: Upstream, method: str = "GET") -> Failure:
    with pytest.raises(ProxyError) as caught:
        await upstream.send(request(method))
    return caught.value.failure


def answered(data: bytes, method: str = "GET") -> Response:
    """What becomes of these bytes, sent at once and followed by the end of the connection."""
    responses: list[Response] = []

    async def test() -> None:
        async with scripted(answering_once(data)) as (upstream, _):
            responses.append(await upstream.send(request(method)))

    run(test())
    return responses[0]


def test_a_request_and_its_answer() -> None:
    async def test() -> None:
        data = b"HTTP/1.1 201 Made\r\nx-a: 1\r\ncontent-length: 5\r\n\r\nhello"
        async with scripted(answering(data)) as (upstream, origin):
            response = await upstream.send(request("POST", "/x", ((b"accept", b"*/*"),), b"body"))
            assert origin.peers[0].got == (
                b"POST /x HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\ncontent-length: 4\r\n\r\nbody"
            )
            assert response.status == 201
            assert response.fields == Fields([(b"x-a", b"1"), (b"content-length", b"5")])
            assert response.body == b"hello"

    run(test())


@pytest.mark.parametrize(
    ("data", "method", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "GET", b"abc"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "HEAD", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", "GET", b""),
    ],
)
def test_a_body_that_came_with_its_head_is_bytes(data: bytes, method: str, body: bytes) -> None:
    assert answered(data, method).body == body


@given(st.lists(st.integers(1, len(LONG_ANSWER) - 1), max_size=12))
@settings(max_examples=50, deadline=None)
def test_where_reads_end_does_not_matter(cuts: list[int]) -> None:
    edges = sorted({0, len(LONG_ANSWER), *cuts})
    opened: list[Connection] = []

    async def connect(endpoint: Endpoint, protocol: Callable[[], Connection]) -> Connection:
        opened.append(await connect_clear(endpoint, protocol))
        return opened[0]

    async def silent(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async def test() -> None:
        async with scripted(silent) as (_, origin):
            upstream = Upstream("cut", [origin.endpoint], connect=connect)
            asking = asyncio.create_task(upstream.send(request()))
            await origin.asked()
            for start, end in pairwise(edges):
                opened[0].data_received(LONG_ANSWER[start:end])
            response = await asking
            assert response.fields == Fields([(b"x-a", b"1")])
            assert await collect(response.body, 100) == b"hello, world"
            upstream.close()

    run(test())


def test_trailers_reach_the_reader() -> None:
    async def test() -> None:
        data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nsum: 3\r\n\r\n"
        async with scripted(answering(data)) as (upstream, _):
            body = (await upstream.send(request())).body
            assert not isinstance(body, bytes)
            assert await body.read() == b"ab"
            assert await body.read() == b""
            assert body.trailers == Fields([(b"sum", b"3")])

    run(test())


def test_a_body_that_ends_with_the_connection() -> None:
    async def test() -> None:
        async with scripted(answering_once(b"HTTP/1.0 200 OK\r\n\r\nhello")) as (upstream, _):
            response = await upstream.send(request())
            assert await collect(response.body, 10) == b"hello"

    run(test())


def test_interim_responses_are_passed_on() -> None:
    async def test() -> None:
        data = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK
        async with scripted(answering(data)) as (upstream, _):
            seen: list[tuple[int, Fields]] = []
            exchange = Exchange(inform=lambda status, fields: seen.append((status, fields)))
            response = await upstream.send(request(exchange=exchange))
            assert response.status == 200
            assert seen == [(103, Fields([(b"link", b"</a>")])), (100, Fields())]
            assert (await upstream.send(request())).status == 200  # nobody to inform

    run(test())


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"", errors.CONNECTION_TERMINATED),
        (b"HTTP/1.1 200 OK\r\ncontent-le", errors.HTTP_RESPONSE_INCOMPLETE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", errors.HTTP_RESPONSE_INCOMPLETE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", errors.HTTP_PROTOCOL_ERROR),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", errors.HTTP_PROTOCOL_ERROR),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", errors.HTTP_RESPONSE_TRANSFER_CODING),
        (b"HTTP/1.1 200 OK\r\na: " + b"x" * 70_000 + b"\r\n\r\n", errors.HTTP_RESPONSE_HEADER_SECTION_SIZE),
    ],
)
def test_answers_that_are_none(data: bytes, failure: Failure) -> None:
    async def test() -> None:
        async with scripted(answering_once(data)) as (upstream, _):
            assert await failure_of(upstream, "POST") is failure

    run(test())


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_response_that_ends_early_breaks_its_body(half: bytes) -> None:
    async def test() -> None:
        async with scripted(answering_once(half)) as (upstream, _):
            body = (await upstream.send(request())).body
            assert not isinstance(body, bytes)
            assert await body.read() == b"hello"
            with pytest.raises(ProxyError) as caught:
                await body.read()
            assert caught.value.failure is errors.HTTP_RESPONSE_INCOMPLETE

    run(test())


def test_a_connection_that_breaks_is_no_end_of_a_body() -> None:
    async def test() -> None:
        async with scripted(answering(b"HTTP/1.1 200 OK\r\n\r\nhello")) as (upstream, origin):
            body = (await upstream.send(request())).body
            assert not isinstance(body, bytes)
            assert await body.read() == b"hello"
            origin.peers[0].reset()
            with pytest.raises(ProxyError) as caught:
                await body.read()
            assert caught.value.failure is errors.HTTP_RESPONSE_INCOMPLETE

    run(test())


def test_a_request_that_cannot_be_written_leaves_the_connection_as_it_was() -> None:
    async def test() -> None:
        async with scripted(answering(OK)) as (upstream, origin):
            await upstream.send(request())
            with pytest.raises(ProxyError) as caught:
                await upstream.send(request(path="/\r\n"))
            assert caught.value.failure is errors.PROXY_INTERNAL_ERROR
            assert (await upstream.send(request())).body == b"ok"
            assert len(origin.peers) == 1

    run(test())
