"""What a filter may write: hostile values first."""

from __future__ import annotations

import pytest

from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields
from proxy.sluice import checks
from proxy.sluice.checks import Refused
from proxy.sluice.interface import FUNCTIONS
from proxy.sluice.run import Run
from proxy.sluice.settings import Settings
from proxy.telemetry import GuestLog


def run() -> Run:
    return Run(
        Request("GET", "http", "h", "/a", "q=1", Fields([(b"x", b"1")]), Exchange()), Settings({}), GuestLog("f")
    )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("set-header", ("x\r\ny", "v")),
        ("set-header", ("", "v")),
        ("set-header", ("x y", "v")),
        ("set-header", ("x:", "v")),
        ("set-header", ("ü", "v")),
        ("set-header", ("x", "v\r\nset-cookie: a=b")),
        ("set-header", ("x", "v\nw")),
        ("set-header", ("x", "v\x00w")),
        ("set-header", ("x", "v\x7fw")),
        ("set-header", ("Content-Length", "5")),
        ("set-header", ("transfer-encoding", "chunked")),
        ("append-header", ("Connection", "close")),
        ("append-header", ("host", "other")),
        ("remove-header", ("host",)),
        ("remove-header", ("a b",)),
        ("set-header", ("host", "a b")),
        ("set-method", ("GE T",)),
        ("set-method", ("",)),
        ("set-method", ("CONNECT",)),
        ("set-authority", ("",)),
        ("set-authority", ("a/b",)),
        ("set-authority", ("user@host",)),
        ("set-authority", ("h:port",)),
        ("set-path", ("",)),
        ("set-path", ("a",)),
        ("set-path", ("/a b",)),
        ("set-path", ("/a?b",)),
        ("set-path", ("/a#b",)),
        ("set-path", ("/a\r\nHost: x",)),
        ("set-path", ("/ü",)),
        ("set-query", ("a b",)),
        ("set-query", ("a#b",)),
        ("set-query", ("a\r\n",)),
    ],
)
def test_what_would_break_the_request_is_refused(function: str, arguments: tuple[str, ...]) -> None:
    guest = run()
    with pytest.raises(Refused):
        FUNCTIONS["request"][function](guest, *arguments)
    assert guest.request.target == "/a?q=1"
    assert not guest.request_edits


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, 999, 65535])
def test_statuses_out_of_range_are_refused(status: int) -> None:
    with pytest.raises(Refused, match="final status"):
        checks.status(status)


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 200, "headers": [("content-length", "3")], "body": b"hello"},
        {"status": 200, "headers": [("content-length", "+5")], "body": b"hello"},
        {"status": 200, "headers": [("transfer-encoding", "chunked")], "body": b""},
        {"status": 200, "headers": [("a\nb", "c")], "body": b""},
        {"status": 101, "headers": [], "body": b""},
    ],
)
def test_replies_that_are_not_http_are_refused(reply: dict[str, object]) -> None:
    with pytest.raises(Refused):
        checks.reply(reply)


def test_a_reply_is_framed_by_its_body() -> None:
    response = checks.reply({"status": 403, "headers": [("X-A", " b "), ("content-length", "2")], "body": b"no"})
    assert (response.status, response.body) == (403, b"no")
    assert response.fields.lines == [(b"x-a", b"b"), (b"content-length", b"2")]


def test_a_status_without_content_has_no_body() -> None:
    response = checks.reply({"status": 204, "headers": [], "body": b"ignored"})
    assert (response.body, response.fields.lines) == (b"", [])


def test_edits_change_a_copy_and_hide_what_they_replace() -> None:
    guest = run()
    given = guest.request
    call = FUNCTIONS["request"]
    call["set-header"](guest, "X", "2")
    call["append-header"](guest, "y", "3")
    call["set-header"](guest, "Host", "Other.example:81")
    call["set-query"](guest, None)
    call["set-note"](guest, "n", "v")
    assert given.fields.lines == [(b"x", b"1")]
    assert (guest.request.authority, guest.request.target) == ("other.example:81", "/a")
    assert guest.request.fields.lines == [(b"x", b"2"), (b"y", b"3")]
    assert call["note"](guest, "n") == "v"
    assert call["header"](guest, "x") == "2"
    assert call["authority"](guest) == "other.example:81"
    # All of that the guest knew already. What it appended to still depends on what came.
    assert guest.reads == {}
    assert call["header"](guest, "y") == "3"
    assert guest.reads == {("header", "y"): None}


def test_a_run_cannot_write_without_end() -> None:
    guest = run()
    append = FUNCTIONS["request"]["append-header"]
    with pytest.raises(Refused, match="more than 65536 bytes"):
        _ = [append(guest, "x", "12345678") for _ in range(100_000)]
    with pytest.raises(Refused, match="more than 65536 bytes"):
        checks.reply({"status": 200, "headers": [("x", "y" * 100)] * 1000, "body": b""})


def test_reading_a_response_before_there_is_one_is_refused() -> None:
    with pytest.raises(Refused, match="no response yet"):
        FUNCTIONS["response"]["status"](run())
    with pytest.raises(Refused, match="no response yet"):
        FUNCTIONS["response"]["set-header"](run(), "a", "b")
