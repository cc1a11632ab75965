"""Every request that could be read in two ways, bytes in and bytes out: it is refused, and is the last one."""

from __future__ import annotations

import re

import pytest

from proxy.http.status import reason
from tests.codec.test_http1_server import SMUGGLING
from tests.downstream.wire import Wire, hello

GET = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSAL = re.compile(
    rb"HTTP/1\.1 (\d{3}) ([A-Za-z ]+)\r\n"
    rb"content-type: text/plain; charset=utf-8\r\n"
    rb'proxy-status: sluicegate; error=http_request_error; details="[^"\r\n]+"\r\n'
    rb"content-length: (\d+)\r\nconnection: close\r\n\r\n(.*)",
    re.DOTALL,
)


@pytest.mark.parametrize(("data", "status"), SMUGGLING.values(), ids=SMUGGLING.keys())
def test_refused_and_nothing_behind_it_is_a_request(data: bytes, status: int) -> None:
    wire = Wire(hello)
    answer = REFUSAL.fullmatch(wire.exchange(data + GET))
    assert answer is not None
    code, phrase, length, text = answer.groups()
    assert (int(code), phrase.decode()) == (status, reason(status))
    assert int(length) == len(text)
    assert wire.transport.half_closed
    assert wire.exchange(GET) == b""
    assert "/smuggled" not in [request.path for request, _, _ in wire.done]
