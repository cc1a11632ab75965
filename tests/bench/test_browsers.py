"""The requests that browsers are taken to make, read by our own parser."""

from __future__ import annotations

from proxy.codec.events import END, RequestHead
from proxy.codec.http1_server import Http1Server
from proxy.codec.limits import Limits
from tests.bench import browsers


def test_every_run_asks_for_the_same() -> None:
    assert browsers.asks() == browsers.asks()


def test_no_two_are_alike_and_few_objects_are_asked_for() -> None:
    asked = browsers.asks()

    assert len(set(asked)) == browsers.REQUESTS
    assert len({ask.query for ask in asked}) == browsers.QUERIES


def test_a_server_takes_them() -> None:
    codec = Http1Server(Limits(), "shop.example")
    for ask in browsers.asks():
        lines = "".join(f"{name}: {value}\r\n" for name, value in ask.fields)
        codec.feed(f"GET /?{ask.query} HTTP/1.1\r\nhost: shop.example\r\n{lines}\r\n".encode())
        head, end = codec.events()
        assert isinstance(head, RequestHead)
        assert end is END
        assert head.fields.lines == [(name.encode(), value.encode()) for name, value in ask.fields]


def test_the_script_for_wrk_has_nothing_to_escape() -> None:
    for ask in browsers.asks():
        assert {"'", "\\"}.isdisjoint("".join([ask.query, *(name + value for name, value in ask.fields)]))
