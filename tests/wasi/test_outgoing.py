"""Whom a component reaches, and what it can make the host hold meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy import wasi
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.wasi.http import Visit
from proxy.wasi.http.outgoing import is_allowed
from proxy.wasi.http.timeouts import Timeouts
from proxy.wasi.http.types import interfaces
from proxy.wasi.http.visit import MAX_BODIES, MAX_FIELDS, TooMuchHeld
from proxy.wasi.io import LinesOutput
from tests.downstream.wire import Script


@pytest.mark.parametrize(
    ("granted", "address", "allowed"),
    [
        ("api.example", "93.184.216.34", True),
        ("api.example", "2606:2800:220:1::1", True),
        ("api.example", "127.0.0.1", False),
        ("api.example", "127.8.8.8", False),
        ("api.example", "0.0.0.0", False),
        ("api.example", "10.1.2.3", False),
        ("api.example", "172.16.0.1", False),
        ("api.example", "192.168.0.1", False),
        ("api.example", "169.254.169.254", False),
        ("api.example", "100.64.0.1", False),
        ("api.example", "224.0.0.1", False),
        ("api.example", "255.255.255.255", False),
        ("api.example", "::1", False),
        ("api.example", "::", False),
        ("api.example", "fc00::1", False),
        ("api.example", "fe80::1%eth0", False),
        ("api.example", "ff02::1", False),
        ("api.example", "::ffff:127.0.0.1", False),
        ("api.example", "::ffff:10.0.0.1", False),
        ("api.example", "::ffff:93.184.216.34", True),
        ("api.example", "64:ff9b::7f00:1", False),
        ("api.example", "64:ff9b::a9fe:a9fe", False),
        ("api.example", "2002:7f00:1::1", False),
        ("api.example", "2002:c0a8:1::1", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("localhost", "10.0.0.1", False),
        ("localhost", "93.184.216.34", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::1", "::1", True),
    ],
)
def test_addresses_that_a_grant_reaches(granted: str, address: str, allowed: bool) -> None:
    assert is_allowed(granted, address) is allowed


class Client:
    """Answers everything with a body that nobody has asked for yet."""

    def __init__(self) -> None:
        self.body = Script(b"piece", length=None)

    async def send(self, visit: Visit, request: Request, timeouts: Timeouts) -> Response:
        return Response(200, Fields(), self.body)


HTTP = interfaces()["http/types"].functions


def fields(visit: Visit) -> Any:
    return HTTP["[constructor]fields"](visit)


def outgoing(visit: Visit) -> Any:
    request: Any = HTTP["[constructor]outgoing-request"](visit, fields(visit))
    HTTP["[method]outgoing-request.set-authority"](visit, request, "origin.example")
    return request


async def visit() -> tuple[Visit, Client]:
    client = Client()
    request = Request("GET", "http", "site.example", "/", None, Fields(), Exchange())
    return Visit(request, client, lambda stream, line: None), client


def test_a_response_that_is_never_looked_at_is_let_go() -> None:
    async def scenario() -> None:
        made, client = await visit()
        interfaces()["http/outgoing-handler"].functions["handle"](made, outgoing(made), None)
        made.close()
        assert client.body.closed

    asyncio.run(scenario())


def test_bodies_that_are_written_and_never_sent() -> None:
    async def scenario() -> None:
        made, _ = await visit()

        def write() -> None:
            body: Any = HTTP["[method]outgoing-request.body"](made, outgoing(made))
            body[1].write(made, b"x" * 65536)
            body[1].abandon()

        for _ in range(MAX_BODIES):
            write()
        with pytest.raises(TooMuchHeld):
            write()

    asyncio.run(scenario())


def test_fields_that_are_written_and_cloned_without_end() -> None:
    async def scenario() -> None:
        made, _ = await visit()
        full = fields(made)
        HTTP["[method]fields.append"](made, full, "x-full", b"x" * 32768)
        for _ in range(MAX_FIELDS // 32768 - 2):
            HTTP["[method]fields.clone"](made, full)
        with pytest.raises(TooMuchHeld):
            HTTP["[static]fields.from-list"](made, [("x-full", b"x" * 60000)] * 2)

    asyncio.run(scenario())


def test_streams_to_print_to_are_let_go_when_they_are_dropped() -> None:
    async def scenario() -> None:
        made, _ = await visit()
        stdout = wasi.service_interfaces({})[f"wasi:cli/stdout@{wasi.VERSION}"].functions["get-stdout"]
        for _ in range(3):
            stream: Any = stdout(made)
            assert isinstance(stream, LinesOutput)
            stream.close(made)
        assert not made._printers

    asyncio.run(scenario())
