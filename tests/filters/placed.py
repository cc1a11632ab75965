"""A filter where the chain has it: between a client and an origin, seen by a cache above."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.component import HostInterface, decode
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.body import Body
from proxy.exchange.observation import Observation
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits
from proxy.sluice.program import Program
from proxy.stages.filter import Filter
from proxy.telemetry import FilterTally

LIMITS = Limits(time=5.0)
"""Wide in time: a busy machine is no failure."""

Lines = Sequence[tuple[str, str]]


def lines(fields: Lines) -> Fields:
    return Fields((name.encode(), value.encode()) for name, value in fields)


class Chunks:
    """A response body that arrives in just these pieces."""

    length = None
    trailers = None

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._left = [chunk for chunk in chunks if chunk]
        self.closed = False

    async def read(self) -> bytes:
        return self._left.pop(0) if self._left else b""

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Outcome:
    """status, headers, body: what the client gets. passed: the request as the origin got it, None when it did not.
    reads: what a cache above has to key on."""

    status: int
    headers: Lines
    body: bytes
    passed: Request | None
    reads: Sequence[Observation]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Placed:
    """A filter in front of an origin."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        component: bytes,
        config: Mapping[str, Any],
        *,
        limits: Limits = LIMITS,
        pooled: bool = False,
        fail_open: bool = False,
        more_imports: Mapping[str, HostInterface] | None = None,
    ) -> None:
        self._program = Program(
            name, decode(component), engine, config=config, limits=limits, pooled=pooled, more_imports=more_imports
        )
        self.tally = FilterTally(name)
        self._stage = Filter(self._program, self.tally, fail_open=fail_open)

    def __call__(self, target: str = "/", headers: Lines = (), **exchange: Any) -> Outcome:
        """Send a request, twice, so that the second is answered from the memo where there is one; it has to come out
        the same. `exchange`: as for `once`."""
        first, second = (self.once(target, headers, **exchange) for _ in range(2))
        assert _comparable(second) == _comparable(first)
        return first

    def once(
        self,
        target: str = "/",
        headers: Lines = (),
        *,
        client: str = "192.0.2.1",
        status: int = 200,
        answer: Lines = (),
        body: bytes | Sequence[bytes] = b"",
    ) -> Outcome:
        """Send a request for which the origin has `status`, `answer` and `body`, the latter whole or in pieces."""
        path, _, query = target.partition("?")
        exchange = Exchange(client=client)
        request = Request("GET", "http", "shop.example", path, query or None, lines(headers), exchange)
        whole: Body = body if isinstance(body, bytes) else Chunks(body)
        return asyncio.run(self._exchange(request, Response(status, lines(answer), whole)))

    async def _exchange(self, request: Request, answer: Response) -> Outcome:
        passed: list[Request] = []
        reads: dict[Observation, None] = {}
        request.observers = ((reads, frozenset()),)

        async def origin(request: Request) -> Response:
            passed.append(request)
            return answer

        response = await self._stage(request, origin)
        body = response.body if isinstance(response.body, bytes) else await _all(response.body)
        headers = [(name.decode(), value.decode()) for name, value in response.fields.lines]
        return Outcome(response.status, headers, body, passed[0] if passed else None, list(reads))


async def _all(body: Any) -> bytes:
    read = b""
    while chunk := await body.read():
        read += chunk
    return read


def _comparable(outcome: Outcome) -> tuple[Any, ...]:
    passed = outcome.passed and (outcome.passed.target, outcome.passed.fields.lines, dict(outcome.passed.notes))
    return outcome.status, outcome.headers, outcome.body, passed, set(outcome.reads)
