"""The entry: there is always an answer, and it says what happened."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy import errors
from proxy.chain import Entry, Match, Route, link
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields, FixedLines, Line


def request(path: str = "/", method: str = "GET") -> Request:
    return Request(method, "http", "h", path, None, Fields(), Exchange(id="r1"))


def entry(path: str, outcome: Response | Exception) -> Entry:
    async def last(request: Request, below: Below) -> Response:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Entry([Route("only", Match(path=path), link([last]))])


def answer(entry: Entry, request: Request) -> Response:
    return asyncio.run(entry(request))


def test_a_response_is_signed() -> None:
    inner = Response(200, Fields([(b"x-request-id", b"theirs"), (b"a", b"1")]), b"hi")
    response = answer(entry("/", inner), request())
    assert response.fields.lines == [(b"a", b"1"), (b"via", b"1.1 sluicegate"), (b"x-request-id", b"r1")]
    assert response.body == b"hi"
    assert inner.fields.lines == [(b"x-request-id", b"theirs"), (b"a", b"1")]


@pytest.mark.parametrize("own", [[(b"a", b"1")], [(b"x-request-id", b"theirs"), (b"a", b"1"), (b"via", b"1.1 origin")]])
def test_lines_that_stay_are_signed_the_same(own: list[Line]) -> None:
    for added in ([], [(b"b", b"2")], [(b"via", b"1.0 x")]):
        stays = FixedLines(list(own))
        expected = answer(entry("/", Response(200, Fields([*own, *added]))), request()).fields.lines
        for _ in range(2):
            inner = Response(200, Fields(stays))
            if added:
                inner.fields.lines = [*own, *added]
            assert answer(entry("/", inner), request()).fields.lines == expected
            assert inner.fields.lines == [*own, *added]
        assert stays.lines == own


def test_via_is_appended_to_what_there_was() -> None:
    response = answer(entry("/", Response(200, Fields([(b"via", b"1.1 origin")]))), request())
    assert response.fields.get(b"via") == b"1.1 origin, 1.1 sluicegate"


def test_no_route() -> None:
    asked = request("/other")
    response = answer(entry("/", Response(200, Fields())), asked)
    assert response.status == 404
    assert response.fields.get(b"proxy-status") == (
        b'sluicegate; error=destination_not_found; details="no route matches"'
    )
    assert asked.exchange.failure == ("destination_not_found", "no route matches")


def test_a_failure_says_so_and_cannot_break_the_header() -> None:
    error = ProxyError(errors.CONNECTION_REFUSED, 'a "b" \\ c\r\nset-cookie: x ü')
    response = answer(entry("/", error), request())
    assert response.status == 502
    assert response.fields.get(b"proxy-status") == (
        rb'sluicegate; error=connection_refused; details="a \"b\" \\ c??set-cookie: x ?"'
    )
    assert b"connection_refused" in (response.body if isinstance(response.body, bytes) else b"")


def test_head_gets_the_length_and_no_body() -> None:
    response = answer(entry("/", ProxyError(errors.DNS_ERROR, "x")), request(method="HEAD"))
    assert response.body == b""
    assert int(response.fields.get(b"content-length") or b"0") > 0


def test_a_mistake_of_ours_ends_one_exchange_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = answer(entry("/", ZeroDivisionError("secret")), request())
    assert response.status == 500
    assert b"secret" not in (response.fields.get(b"proxy-status") or b"")
    assert "ZeroDivisionError" in caplog.text


def test_stages_are_called_in_order_and_see_their_own_request() -> None:
    seen: list[str] = []

    class Mark:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, request: Request, below: Below) -> Response:
            seen.append(f"{self.name} down {request.path}")
            changed = request.copy()
            changed.path += self.name
            response = await below(changed)
            seen.append(f"{self.name} up {request.path}")
            return response

    async def last(request: Request, below: Below) -> Response:
        return Response(200, Fields([(b"path", request.path.encode())]))

    response = asyncio.run(link([Mark("a"), Mark("b"), last])(request()))
    assert response.fields.get(b"path") == b"/ab"
    assert seen == ["a down /", "b down /a", "b up /a", "a up /"]


ROUTES = ("/api/*", "/open/*", "/*")


def routed(path: str) -> tuple[int, str, str]:
    """(status, route, path as the chain saw it)."""
    seen: list[str] = []

    async def last(request: Request, below: Below) -> Response:
        seen.append(request.path)
        return Response(200, Fields())

    chain = link([last])
    asked = request(path)
    response = answer(Entry([Route(pattern, Match(path=pattern), chain) for pattern in ROUTES]), asked)
    return response.status, asked.exchange.route, seen[0] if seen else ""


@pytest.mark.parametrize(
    ("path", "route", "seen"),
    [
        ("/api/x", "/api/*", "/api/x"),
        ("/x/../api/x", "/api/*", "/api/x"),
        ("/%61pi/x", "/api/*", "/api/x"),
        ("/open/%2e%2e/api/x", "/api/*", "/api/x"),
        ("/open/a%2Fb", "/open/*", "/open/a%2Fb"),
        ("/open//a", "/open/*", "/open//a"),
    ],
)
def test_a_route_cannot_be_walked_around_by_spelling(path: str, route: str, seen: str) -> None:
    assert routed(path) == (200, route, seen)


@pytest.mark.parametrize("path", ["//api/x", "/open%2F..%2Fapi/x", "/open/..%2Fapi%2Fx", "/api%2Fx", "/api\\x"])
def test_what_may_be_of_another_route_is_refused(path: str) -> None:
    status, _, seen = routed(path)
    assert (status, seen) == (400, "")
