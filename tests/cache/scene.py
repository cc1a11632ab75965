"""A cache stage with a clock that stands still and a scripted chain below it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from proxy.cache.memory import MemoryStore
from proxy.cache.policy import DEFAULT, Rules
from proxy.cache.store import Front
from proxy.chain.stage import Below
from proxy.exchange import Exchange, Pipe, Request, Response, collect
from proxy.http import dates
from proxy.http.fields import Fields, Line
from proxy.stages.cache import Cache

NOON = 1_700_000_000.0


def lines(text: str) -> list[Line]:
    """Field lines from text: "name: value" each, with "|" or a line break between them."""
    found = []
    for line in text.replace("|", "\n").splitlines():
        if line.strip():
            name, _, value = line.partition(":")
            found.append((name.strip().lower().encode(), value.strip().encode("latin-1")))
    return found


def request(fields: str = "", *, method: str = "GET", path: str = "/", query: str | None = None) -> Request:
    return Request(method, "http", "a.example", path, query, Fields(lines(fields)), Exchange())


def response(fields: str = "", body: bytes = b"body", status: int = 200) -> Response:
    return Response(status, Fields(lines(fields)), body)


T = TypeVar("T")

Script = Response | BaseException | Callable[[Request], Response]


class Scene:
    """`below` answers with `script` in turn, the last one for ever; `asked` is what reached it."""

    def __init__(self, *script: Script, rules: Rules = DEFAULT, limit: int = 1000, store: Front | None = None) -> None:
        self.now = NOON
        self.script = list(script)
        self.asked: list[Request] = []
        self.store = store or MemoryStore(1_000_000)
        self.stage = self.another(limit, rules=rules)

    def another(self, limit: int = 1000, **choices: Any) -> Cache:
        """A stage with the same store and clock."""
        return Cache("pages", self.store, max_object_size=limit, clock=lambda: self.now, **choices)

    def date(self, offset: float = 0) -> str:
        """An HTTP-date that many seconds from now."""
        return dates.render(self.now + offset).decode()

    @property
    def variants(self) -> int:
        """How many are stored under the key of `request()`."""
        found = self.store.peek(("http", "a.example", "/", None))
        return found.count if found is not None else 0

    async def below(self, request: Request) -> Response:
        self.asked.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, BaseException):
            raise step
        return step.copy() if isinstance(step, Response) else step(request)

    async def ask(self, request: Request, below: Below | None = None) -> Answer:
        response = await self.stage(request, below or self.below)
        return Answer(response, await collect(response.body, 1 << 30))

    def get(self, fields: str = "", *, method: str = "GET", path: str = "/", query: str | None = None) -> Answer:
        return run(self.ask(request(fields, method=method, path=path, query=query)))


class Answer:
    """A response with its body read. outcome: our own member of Cache-Status, without name and ttl."""

    def __init__(self, response: Response, body: bytes) -> None:
        self.status, self.body, self.tags = response.status, body, response.tags
        self._fields = response.fields
        self.cache_status = self["cache-status"] or ""
        own = self.cache_status.rpartition("pages; ")[2]
        self.outcome = "; ".join(part for part in own.split("; ") if not part.startswith("ttl="))

    def __getitem__(self, name: str) -> str | None:
        value = self._fields.get(name.encode())
        return None if value is None else value.decode("latin-1")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def arriving(*chunks: bytes, length: int | None = None) -> Pipe:
    """A body that has come in these chunks; not ended."""
    pipe = Pipe(length)
    for chunk in chunks:
        pipe.feed(chunk)
    return pipe
