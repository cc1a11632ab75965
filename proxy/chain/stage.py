"""What a stage is, and how stages become a chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from proxy.exchange import Request, Response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request. Raises ProxyError when it cannot; the response's body may still be arriving."""

Below = Callable[[Request], Awaitable[Response]]


class Stage(Protocol):
    """One step of a chain.

    It may pass the request down, changed or not, zero, one or several times, and change what comes back.
    Passing down nothing or passing down concurrently is allowed; a request body can be read only once.
    """

    async def __call__(self, request: Request, below: Below) -> Response: ...


async def _nothing_below(request: Request) -> Response:
    raise AssertionError("the last stage of a chain passed a request down; config refuses such a chain")


def link(stages: Sequence[Stage]) -> Handler:
    """The stages, first one outermost, as one callable."""
    handler: Handler = _nothing_below
    for stage in reversed(stages):
        handler = _linked(stage.__call__, handler)
    return handler


def _linked(call: Callable[[Request, Below], Coroutine[Any, Any, Response]], below: Handler) -> Handler:
    def handler(request: Request) -> Coroutine[Any, Any, Response]:
        return call(request, below)

    return handler
