"""`forward`: asks an upstream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Final

from proxy import errors
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.story import EndStory, StageStory, head_of, tapped
from proxy.http.fields import Fields
from proxy.http.hop_by_hop import add_forwarded, add_via, is_first_hop, told
from proxy.http.proxy_status import PSEUDONYM

MAX_PASSES: Final = 10
"""How often a request may have come through proxies of our name. Tiers of them are in order, a circle is not."""


class Forward:
    """send: an upstream's. name: what it is called in the configuration."""

    def __init__(self, send: Callable[[Request], Awaitable[Response]], name: str = "") -> None:
        self._send = send
        self._name = name

    async def __call__(self, request: Request, below: Below) -> Response:
        sent = outgoing(request)
        if request.exchange.trace is not None:
            return await self._told(sent, request.exchange.trace)
        return await self._send(sent)

    async def _told(self, sent: Request, trace: list[StageStory]) -> Response:
        story = EndStory("forward", self._name, request=head_of(sent))
        trace.append(story)
        started = perf_counter_ns()
        try:
            response = await self._send(sent)
            story.status, story.answer = response.status, response.copy()
            response.body = tapped(response.body, story.body)
            return response
        finally:
            story.microseconds = (perf_counter_ns() - started) // 1000


def outgoing(request: Request) -> Request:
    """The request as the origin gets it: with `Via`, for whom we ask, and the id that our log has of the exchange.
    ProxyError (proxy_loop_detected) when it goes round in circles."""
    exchange, fields = request.exchange, Fields()
    lines, identity = request.fields.lines, (b"x-request-id", exchange.id.encode())
    if is_first_hop(request.fields):
        fields.fixed = request.fields.fixed
        inner = fields.inner = told(exchange.version, PSEUDONYM, exchange.client, request.scheme, request.authority)
        fields.lines = [*lines, *inner.lines, identity]
    else:
        via = request.fields.get(b"via")
        if via is not None and passes(via) >= MAX_PASSES:
            raise ProxyError(errors.PROXY_LOOP_DETECTED, f"the request came through {PSEUDONYM} {MAX_PASSES} times")
        signed = add_via(lines, exchange.version, PSEUDONYM)
        fields.lines = add_forwarded(signed, exchange.client, request.scheme, request.authority)
        fields.set(*identity)
    sent = Request(
        request.method, request.scheme, request.authority, request.path, request.query, fields, exchange, request.body
    )
    sent.switch = request.switch
    return sent


def passes(via: bytes) -> int:
    """How many entries of a `Via` are ours. An entry is received-protocol, received-by, and maybe a comment."""
    entries = (entry.split(None, 2) for entry in via.split(b","))
    return sum(len(words) > 1 and words[1] == PSEUDONYM.encode() for words in entries)
