"""The chain as an addon of mitmproxy: it answers what comes to mitmproxy, and leaves its story with each flow."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.flow import Flow

from proxy.chain.entry import failed
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response, collect
from proxy.exchange.story import Head, head_of
from proxy.inspector.document import Document, story
from proxy.inspector.flows import ORIGIN, flow_response, request_of
from proxy.inspector.record import origin_of, origin_to_json

logger = logging.getLogger(__name__)

STORY = "sluice"
"""Where a flow's metadata has its story."""

LARGEST_BODY = 64 << 20
"""Bytes of a response that mitmproxy is given; it holds bodies whole."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Chain:
    """doubts: what is to be said of the chain at the moment, such as that a changed configuration is wrong."""

    def __init__(self, handler: Handler, doubts: Callable[[], list[str]] = list) -> None:
        self._handler = handler
        self._doubts = doubts

    async def request(self, flow: http.HTTPFlow) -> None:
        """mitmproxy's hook: a request is there, whole; also one that was edited and is replayed."""
        if flow.response is not None or flow.error is not None:
            return
        flow.response, document = await self._answer(flow)
        document["warnings"] += self._doubts()
        flow.metadata[STORY] = document
        flow.comment = summary(document)

    async def _answer(self, flow: http.HTTPFlow) -> tuple[http.Response, Document]:
        try:
            request = request_of(flow)
        except ProxyError as error:
            exchange = Exchange()
            response = failed(error, exchange, flow.request.method)
            asked: Head = (f"{flow.request.method} {flow.request.url}",)
            assert isinstance(response.body, bytes)
            return flow_response("GET", response, response.body), story(asked, exchange, response, len(response.body))
        exchange = request.exchange
        exchange.trace = []
        asked = head_of(request)
        response = await self._handler(request)
        try:
            body = await collect(response.body, LARGEST_BODY)
        except ProxyError as error:
            logger.warning("the body of %s broke: %s", asked[0], error)
            response = failed(error, exchange, request.method)
            body = response.body if isinstance(response.body, bytes) else b""
        flow.metadata[ORIGIN] = origin_to_json(origin_of(exchange.trace))
        answer = flow_response(request.method, response, body)
        return answer, story(asked, exchange, response, len(body))


class Bound:
    """Drops the oldest flows of mitmproxy's view beyond a number of them, or of bytes in their bodies."""

    def __init__(self, flows: int, size: int) -> None:
        self._most, self._largest = flows, size
        self._kept: deque[tuple[Flow, int]] = deque()
        self._size = 0

    def response(self, flow: http.HTTPFlow) -> None:
        size = sum(len(message.raw_content or b"") for message in (flow.request, flow.response) if message)
        self._kept.append((flow, size))
        self._size += size
        gone: list[Flow] = []
        while len(self._kept) > self._most or (self._size > self._largest and len(self._kept) > 1):
            oldest, size = self._kept.popleft()
            self._size -= size
            gone.append(oldest)
        view = ctx.master.addons.get("view")
        if gone and view is not None:
            view.remove(gone)


def summary(document: Document) -> str:
    """One line, for lists of flows: the route and what became of the request at each cache and filter of note."""
    parts = [str(document["route"] or "no route")]
    for stage in document["stages"]:
        match stage:
            case {"stage": "cache", "outcome": outcome} if outcome:
                parts.append(outcome)
            case {"stage": "filter", "name": name, "failure": failure} if failure:
                parts.append(f"{name} failed")
            case {"stage": "filter", "name": name, "steps": steps}:
                parts += [f"{name}: {step['verdict']}" for step in steps if step["verdict"].startswith("reply")]
    return " | ".join(parts)
