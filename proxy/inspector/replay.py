"""Recorded exchanges once more, with the recorded answers of the origin; and how two outcomes differ."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response, collect
from proxy.exchange.story import url_of
from proxy.http import target
from proxy.http.fields import Fields
from proxy.http.hop_by_hop import end_to_end
from proxy.inspector.record import Answer, Asked, Record

LARGEST = 64 << 20
LONGEST = 40
"""Lines of a body's diff that are shown."""

VOLATILE = frozenset(("age", "date", "x-request-id", "server-timing"))
"""Fields that are another in every run."""

ADDED = frozenset(("cache-status", "via"))
"""Fields that a proxy adds, and a recording from elsewhere has not or not as a proxy with empty caches."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(slots=True)
class Origin:
    """Answers what a chain asks from what was recorded: with this exchange, or else with any, as a cache had answered
    it when it was recorded. missing: what it asked that nobody had recorded."""

    records: Sequence[Record] = ()
    record: Record | None = None
    missing: list[str] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Caches live in the time of the recording."""
        return self.record.started if self.record is not None else 0.0

    async def send(self, request: Request) -> Response:
        asked = f"{request.method} {url_of(request)}"
        found = _best(request, self.record.origin if self.record is not None else ()) or self._elsewhere(request)
        if found is None or found.body is None:
            self.missing.append(asked)
            why = "was not recorded" if found is None else "was too long to be recorded"
            raise ProxyError(errors.DESTINATION_UNAVAILABLE, f"{asked} {why}")
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in found.lines]
        fields = Fields(line for line in end_to_end(lines) if line[0] != b"content-length")
        body = b"" if request.method == "HEAD" else found.body
        if found.status not in (204, 304):
            fields.append(b"content-length", b"%d" % len(found.body))
        return Response(found.status, fields, body)

    def _elsewhere(self, request: Request) -> Answer | None:
        recorded = (each for record in self.records for each in record.origin)
        url = url_of(request)
        return next((answer for asked, answer in recorded if (asked.method, asked.url) == (request.method, url)), None)


def _best(request: Request, recorded: Iterable[tuple[Asked, Answer]]) -> Answer | None:
    """The answer to the same URL; else, as a chain may ask for it under another, to the same path, or the only one."""
    alike = [(asked, answer) for asked, answer in recorded if asked.method in (request.method, "GET")]
    for asked, answer in alike:
        if asked.url == url_of(request):
            return answer
    for asked, answer in alike:
        if asked.url.endswith(request.target):
            return answer
    return alike[0][1] if len(alike) == 1 else None


async def replayed(record: Record, handler: Handler, origin: Origin) -> tuple[Answer, list[str]]:
    """The answer of a chain whose forward stages ask `origin`, and the members of its Cache-Status."""
    origin.record = record
    asked = record.asked
    authority, path, query = target.parse(asked.method, asked.url, None, "")
    scheme = "https" if asked.url.startswith("https:") else "http"
    fields = Fields()
    fields.lines = end_to_end([(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.lines])
    exchange = Exchange("replay", record.client, record.started)
    response = await handler(Request(asked.method, scheme, authority, path, query, fields, exchange, asked.body or b""))
    try:
        body = await collect(response.body, LARGEST)
    except ProxyError as error:
        body = f"(the body broke: {error})".encode()
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.fields.lines]
    return Answer(response.status, lines, body), exchange.cache_status


def differences(before: Answer, after: Answer, ignored: frozenset[str]) -> list[str]:
    """Line by line, what went with - and what came with +; empty when all is the same."""
    found = [f"-status {before.status}", f"+status {after.status}"] if before.status != after.status else []
    found += _diff(_head(before, ignored), _head(after, ignored))
    if before.body is not None and after.body is not None and before.body != after.body:
        found += _body_diff(before.body, after.body)
    return found


def _head(answer: Answer, ignored: frozenset[str]) -> list[str]:
    """The length of a body is no difference of its own."""
    left_out = ignored | {"content-length", "connection", "keep-alive", "transfer-encoding"}
    return sorted(f"{name}: {value}" for name, value in answer.lines if name not in left_out)


def _body_diff(before: bytes, after: bytes) -> list[str]:
    if b"\0" in before or b"\0" in after:
        return [f"-body of {len(before)} bytes", f"+body of {len(after)} bytes"]
    old, new = (body.decode("utf-8", "replace").splitlines() for body in (before, after))
    lines = list(_diff(old, new)) or [f"-body of {len(before)} bytes", f"+body of {len(after)} bytes"]
    return lines[:LONGEST] + ([f" … and {len(lines) - LONGEST} lines more"] if len(lines) > LONGEST else [])


def _diff(before: list[str], after: list[str]) -> Iterator[str]:
    return (line for line in unified_diff(before, after, n=0, lineterm="") if not line.startswith(("---", "+++", "@@")))
