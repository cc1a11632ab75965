"""wasi:http/types 0.3, called as guests call it: what it refuses, and how."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.wasi.http import Outgoing
from proxy.wasi.http.fields import MOST, FieldsTooLarge, GuestFields
from proxy.wasi.http.fields import functions as functions2
from proxy.wasi.http.visit import MAX_SUBREQUESTS
from proxy.wasi.p3 import http
from proxy.wasi.p3.http import Handling
from proxy.wasi.p3.http.messages import GuestRequest

FUNCTIONS: dict[str, Any] = dict(http.interfaces()["http/types"].functions)


class Keeper:
    def copies(self, size: int) -> None:
        """Keeps no account."""


@pytest.mark.parametrize("function", ["set", "append"])
def test_too_many_fields_are_an_error_and_change_nothing(function: str) -> None:
    fields = GuestFields(Fields([(b"x-old", b"kept")]), mutable=True)
    value: Any = b"a" * MOST
    given = [value] if function == "set" else value
    answer = FUNCTIONS[f"[method]fields.{function}"](Keeper(), fields, "x-new", given)
    assert answer == ("err", ("size-exceeded", None))
    assert fields.fields.lines == [(b"x-old", b"kept")]


def test_too_many_fields_from_a_list() -> None:
    lines = [(f"x-{number}", b"a" * 1000) for number in range(70)]
    assert FUNCTIONS["[static]fields.from-list"](Keeper(), lines) == ("err", ("size-exceeded", None))


def test_0_2_has_no_such_error() -> None:
    append: Any = functions2()["[method]fields.append"]
    with pytest.raises(FieldsTooLarge):
        append(Keeper(), GuestFields(Fields(), mutable=True), "x", b"a" * MOST)


@pytest.mark.parametrize("name", ["connect-timeout", "first-byte-timeout", "between-bytes-timeout"])
def test_timeouts_are_the_guest_s_to_set(name: str) -> None:
    set_timeout, get_timeout = (FUNCTIONS[f"[method]request-options.{verb}-{name}"] for verb in ("set", "get"))
    options = FUNCTIONS["[constructor]request-options"](None)
    assert get_timeout(None, options) is None
    assert set_timeout(None, options, 1_000_000) == ("ok", None)
    clone = FUNCTIONS["[method]request-options.clone"](None, options)
    assert set_timeout(None, options, None) == ("ok", None)
    assert get_timeout(None, options) is None
    assert get_timeout(None, clone) == 1_000_000
    given = clone.copy(mutable=False)
    assert set_timeout(None, given, 1) == ("err", ("immutable", None))
    assert get_timeout(None, given) == 1_000_000


def test_a_middleware_asks_below_so_often_and_no_more() -> None:
    """Each answer gives it its time again: so there must not be any number of them."""

    async def asking() -> None:
        request = Request("GET", "http", "site.example", "/", None, Fields(), Exchange("id"), b"")

        async def below(_: Request) -> Response:
            return Response(200, Fields(), b"")

        handling = Handling(request, Outgoing([]), lambda stream, line: None, below)
        for _ in range(MAX_SUBREQUESTS):
            await handling.pass_down(GuestRequest.arrived(request))
        with pytest.raises(ProxyError, match="more than 64 requests"):
            await handling.pass_down(GuestRequest.arrived(request))

    asyncio.run(asking())
