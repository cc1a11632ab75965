"""Access log lines with chosen fields."""

from __future__ import annotations

import json
from typing import Any

from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.http.query import Names
from proxy.telemetry import Format, combined_line, hiding, json_line, selected

SENT = Fields([(b"accept", b"*/*"), (b"cookie", b"id=7"), (b"referer", b"http://h/?token=r"), (b"x-odd", b'"\xff\x00')])
GOT = Fields([(b"content-type", b"text/html"), (b"set-cookie", b"id=8")])


def line(format: Format, query: str | None = None) -> dict[str, Any]:
    request = Request("GET", "http", "h", "/a", query, SENT.copy(), Exchange("id-1", "192.0.2.1"))
    text = format(request, Response(200, GOT), 10, True, 0.001)
    assert text.endswith("\n")
    found: dict[str, Any] = json.loads(text)
    return found


def test_only_the_fields_that_are_asked_for_in_that_order() -> None:
    found = line(selected(["status", "id", "failure", "us"], (), ()))
    assert list(found.items()) == [("status", 200), ("id", "id-1"), ("us", 1000)]


def test_headers_of_both_without_secrets() -> None:
    found = line(selected([], ("accept", "cookie", "dnt", "x-odd"), ("content-type", "set-cookie")))
    assert found == {
        "request": {"accept": "*/*", "cookie": "[redacted]", "dnt": None, "x-odd": '"\ufffd\0'},
        "response": {"content-type": "text/html", "set-cookie": "[redacted]"},
    }


def test_all_fields_and_a_header() -> None:
    found = line(selected(None, ("accept",), ()))
    assert found.pop("request") == {"accept": "*/*"}
    assert found.keys() == line(json_line).keys()


def test_values_of_parameters_are_left_out() -> None:
    found = line(
        hiding(json_line, Names.of(["token", "session_*"])), "a=b&token=x&t%6fken=y&session_id=z&token&tokens=1"
    )
    assert found["target"] == ("/a?a=b&token=[redacted]&t%6fken=[redacted]&session_id=[redacted]&token&tokens=1")
    assert found["referer"] == "http://h/"


def test_in_the_combined_format_too() -> None:
    request = Request("GET", "http", "h", "/a", "token=x", Fields(), Exchange("id-1"))
    text = hiding(combined_line, Names.of(["token"]))(request, Response(200, GOT), 10, True, 0.001)
    assert '"GET /a?token=[redacted] HTTP/1.1"' in text
