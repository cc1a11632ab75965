"""What the origin gets to see of a request."""

from __future__ import annotations

import asyncio

import pytest

from proxy import errors
from proxy.chain import link
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.story import EndStory
from proxy.http.fields import Fields, Line
from proxy.stages.forward import MAX_PASSES, Forward, outgoing, passes


def request(*lines: Line, client: str = "192.0.2.7") -> Request:
    exchange = Exchange("id-1", client)
    return Request("GET", "https", "shop.example:8443", "/a", "b=c", Fields(lines), exchange, b"body")


def test_the_origin_learns_who_asks_through_whom() -> None:
    sent = outgoing(request((b"accept", b"*/*")))
    assert sent.fields.lines == [
        (b"accept", b"*/*"),
        (b"via", b"1.1 sluicegate"),
        (b"x-forwarded-for", b"192.0.2.7"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"shop.example:8443"),
        (b"forwarded", b'for=192.0.2.7;host="shop.example:8443";proto=https'),
        (b"x-request-id", b"id-1"),
    ]
    assert (sent.method, sent.authority, sent.target, sent.body) == ("GET", "shop.example:8443", "/a?b=c", b"body")


def test_what_earlier_proxies_said_stays() -> None:
    sent = outgoing(request((b"via", b"2 edge"), (b"x-forwarded-for", b"198.51.100.1"), client="2001:db8::1"))
    assert sent.fields.get(b"via") == b"2 edge, 1.1 sluicegate"
    assert sent.fields.get(b"x-forwarded-for") == b"198.51.100.1, 2001:db8::1"


def test_an_id_that_was_not_taken_over_is_replaced() -> None:
    assert outgoing(request((b"x-request-id", b"bad id"))).fields.all(b"x-request-id") == [b"id-1"]


def test_the_request_above_stays_as_it_was() -> None:
    received = request((b"accept", b"*/*"), (b"via", b"2 edge"))
    outgoing(received)
    assert received.fields.lines == [(b"accept", b"*/*"), (b"via", b"2 edge")]


@pytest.mark.parametrize(
    ("via", "count"),
    [
        (b"", 0),
        (b"1.1 sluicegate", 1),
        (b"1.1 sluicegate (a), 2 edge,1.0  sluicegate", 2),
        (b"1.1 notsluicegate, sluicegate, 1.1 sluicegate:80, ,", 0),
    ],
)
def test_passes(via: bytes, count: int) -> None:
    assert passes(via) == count


def test_a_circle_is_broken() -> None:
    lines: list[Line] = []
    for _ in range(MAX_PASSES):
        lines = outgoing(request(*lines)).fields.lines
    with pytest.raises(ProxyError) as caught:
        outgoing(request(*lines))
    assert caught.value.failure is errors.PROXY_LOOP_DETECTED


def test_as_a_stage_it_gives_back_what_the_upstream_answers() -> None:
    response = Response(204, Fields())
    sent: list[Request] = []

    async def send(request: Request) -> Response:
        sent.append(request)
        return response

    received = request()
    received.exchange.trace = []
    assert asyncio.run(link([Forward(send, "shop")])(received)) is response
    assert sent[0].fields.get(b"via") == b"1.1 sluicegate"
    (story,) = received.exchange.trace
    assert isinstance(story, EndStory)
    assert (story.name, story.status) == ("shop", 204)
    assert story.request[:2] == ("GET https://shop.example:8443/a?b=c", "via: 1.1 sluicegate")
