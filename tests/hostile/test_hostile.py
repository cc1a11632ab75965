"""A guest that does everything wrong: the exchange fails or goes on as `on_error` says, and nothing else is harmed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from proxy.component import Instance, decode, link
from proxy.errors import ProxyError
from proxy.exchange.observation import UNREPEATABLE
from proxy.sandbox import Engine, Limits, PoolExhausted, Trap
from proxy.sluice.checks import Refused
from proxy.sluice.interface import imports
from tests.compiled import cause
from tests.filters.placed import Placed
from tests.hostile.conftest import BUILT, Hostile

HTML = [("content-type", "text/html")]
STRICT = Limits(time=0.05)


def reason(failure: BaseException) -> BaseException:
    """What was at the bottom of it: the Refused that a host function raised, or the guest's own Trap."""
    while (before := cause(failure)) is not None:
        failure = before
    return failure


def fail(guest: Placed, **exchange: Any) -> BaseException:
    with pytest.raises(ProxyError, match="filter hostile failed") as failure:
        guest.once(**exchange)
    assert guest.tally.errors == 1
    return reason(failure.value)


STEPS = ["on-request", "on-response", "open", "push", "finish"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("deed", ["trap", "loop", "loop-calling", "recurse", "allocate"])
def test_stopped(hostile: Hostile, step: str, deed: str) -> None:
    guest = hostile({step: {"do": deed}}, limits=STRICT)
    assert isinstance(fail(guest, answer=HTML, body=[b"a", b"b"]), Trap)


@pytest.mark.parametrize("step", STEPS[:3])
@pytest.mark.parametrize("deed", ["trap", "loop"])
def test_failing_open_goes_on_as_if_it_were_not_there(hostile: Hostile, step: str, deed: str) -> None:
    guest = hostile({step: {"do": deed}}, limits=STRICT, fail_open=True)
    outcome = guest.once("/a?b", [("x", "1")], status=404, answer=HTML, body=b"page")
    assert (outcome.status, outcome.headers, outcome.body) == (404, HTML, b"page")
    assert outcome.passed is not None
    assert (outcome.passed.target, outcome.passed.fields.lines) == ("/a?b", [(b"x", b"1")])
    assert UNREPEATABLE in outcome.reads
    assert guest.tally.errors == 1


def crowd(engine: Engine) -> list[Instance]:
    """As many instances as there is room for."""
    linked = link(decode((BUILT / "hostile.wasm").read_bytes()), engine, imports(), Limits())
    crowd = []
    with suppress(PoolExhausted):
        while True:
            crowd.append(linked.instantiate(None))
    return crowd


@pytest.mark.parametrize("body", [b"page", [b"pa", b"ge"]])
def test_no_room_for_an_instance_is_a_failure_like_any_other(
    hostile: Hostile, engine: Engine, body: bytes | list[bytes]
) -> None:
    calm = {"push": {"do": ""}}
    open_, closed = hostile(calm, fail_open=True), hostile(calm)
    others = crowd(engine)
    try:
        assert open_.once(body=body).body == b"page"
        assert isinstance(fail(closed, body=body), PoolExhausted)
    finally:
        for instance in others:
            instance.close()
    assert closed.once(body=body).body == b"page"


def test_others_are_not_harmed(hostile: Hostile) -> None:
    good = hostile({"on-response": {"do": "set-header", "name": "x-good", "value": "1"}})
    for deed in ("trap", "loop", "recurse", "allocate"):
        fail(hostile({"on-request": {"do": deed}}, limits=STRICT))
        assert good().header("x-good") == "1"


REFUSED_WRITES = [
    ({"do": "set-header", "name": "a\r\nb", "value": "x"}, "is not a field name"),
    ({"do": "set-header", "name": "", "value": "x"}, "is not a field name"),
    ({"do": "set-header", "name": "a b", "value": "x"}, "is not a field name"),
    ({"do": "append-header", "name": "a:", "value": "x"}, "is not a field name"),
    ({"do": "append-header", "name": "é", "value": "x"}, "is not a field name"),
    ({"do": "remove-header", "name": "a\n"}, "is not a field name"),
    ({"do": "set-header", "name": "a", "value": "x\0y"}, "has a control character"),
    ({"do": "set-header", "name": "a", "value": "x\r\nset-cookie: a=b"}, "has a control character"),
    ({"do": "append-header", "name": "a", "value": "x\ny"}, "has a control character"),
    ({"do": "set-header", "name": "Content-Length", "value": "3"}, "set by the proxy"),
    ({"do": "set-header", "name": "Transfer-Encoding", "value": "chunked"}, "set by the proxy"),
    ({"do": "append-header", "name": "connection", "value": "close"}, "set by the proxy"),
    ({"do": "not-utf8"}, ""),
    ({"do": "beyond-memory"}, ""),
    ({"do": "longer-than-memory"}, ""),
]


@pytest.mark.parametrize("step", ["on-request", "on-response"])
@pytest.mark.parametrize(("deed", "says"), REFUSED_WRITES, ids=lambda part: repr(part))
def test_fields_that_are_none(hostile: Hostile, step: str, deed: dict[str, str], says: str) -> None:
    failure = fail(hostile({step: deed}))
    assert isinstance(failure, Refused if says else Trap)
    assert says in str(failure)


@pytest.mark.parametrize(
    "deed",
    [
        {"do": "set-path", "value": ""},
        {"do": "set-path", "value": "no-slash"},
        {"do": "set-path", "value": "/a b"},
        {"do": "set-path", "value": "/a\r\nx: y"},
        {"do": "set-path", "value": "/a?b"},
        {"do": "set-path", "value": "//evil.example\0"},
        {"do": "set-query", "value": "a b"},
        {"do": "set-query", "value": "a\nb"},
        {"do": "set-authority", "value": ""},
        {"do": "set-authority", "value": "a b"},
        {"do": "set-authority", "value": "a/b"},
        {"do": "set-authority", "value": "user@a"},
        {"do": "set-authority", "value": "a:b:c"},
        {"do": "set-authority", "value": "a\r\nx: y"},
        {"do": "set-method", "value": ""},
        {"do": "set-method", "value": "GET /"},
        {"do": "set-method", "value": "CONNECT"},
    ],
    ids=repr,
)
def test_request_lines_that_are_none(hostile: Hostile, deed: dict[str, str]) -> None:
    assert isinstance(fail(hostile({"on-request": deed})), Refused)


@pytest.mark.parametrize("status", [0, 99, 101, 199, 600, 1000, 65535])
def test_statuses_out_of_range(hostile: Hostile, status: int) -> None:
    reply = fail(hostile({"on-request": {"do": "reply", "status": status}}))
    assert str(reply) == f"{status} is not a final status code (200 to 599)"
    assert isinstance(fail(hostile({"on-response": {"do": "set-status", "value": status}})), Refused)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-length", "1"),
        ("Content-Length", "4, 4"),
        ("transfer-encoding", "chunked"),
        ("connection", "x-a"),
        ("x\r\ny", "z"),
        ("x", "y\r\n\r\nz"),
        ("x", "\0"),
    ],
)
def test_replies_that_would_break_the_connection(hostile: Hostile, name: str, value: str) -> None:
    reply = {"do": "reply", "status": 200, "name": name, "value": value, "body": "page"}
    assert isinstance(fail(hostile({"on-request": reply})), Refused)


@pytest.mark.parametrize("deed", ["read-response", "write-response"])
def test_the_response_before_there_is_one(hostile: Hostile, deed: str) -> None:
    assert "there is no response yet" in str(fail(hostile({"on-request": {"do": deed}})))


def test_a_field_set_when_the_head_is_gone(hostile: Hostile) -> None:
    outcome = hostile({"push": {"do": "set-header"}})(body=[b"a", b"b"])
    assert (outcome.body, outcome.header("x-late")) == (b"ab", None)


def test_a_flood_beyond_the_memory_limit(hostile: Hostile) -> None:
    assert isinstance(fail(hostile({"push": {"do": "flood"}}), body=[b"a"]), Trap)
    assert isinstance(fail(hostile({"on-request": {"do": "reply-flood"}})), Trap)
    assert isinstance(fail(hostile({"on-request": {"do": "write-large"}})), Trap)
    assert isinstance(fail(hostile({"on-request": {"do": "log-large"}})), Trap)


def test_a_flood_within_it(hostile: Hostile) -> None:
    guest = hostile({"push": {"do": "flood"}}, limits=Limits(memory=256 << 20, time=10.0))
    assert len(guest.once(body=[b"a", b"b"]).body) == 2 * (64 << 20)


def test_a_body_swallowed(hostile: Hostile) -> None:
    assert hostile({"push": {"do": "swallow"}})(answer=[("content-length", "2")], body=[b"a", b"b"]).headers == []


def test_reading_everything_is_keyed_on_everything(hostile: Hostile) -> None:
    assert hostile({"on-request": {"do": "read-all"}})().reads == [("headers", "")]


def test_reads_without_end_in_sight(hostile: Hostile) -> None:
    assert hostile({"on-request": {"do": "read-many"}}, limits=Limits(time=10.0)).once().status == 200


@pytest.mark.parametrize("deed", ["call-everything", "write-many"])
def test_writes_without_end_in_sight(hostile: Hostile, deed: str) -> None:
    """More than any connection takes."""
    failure = fail(hostile({"on-request": {"do": deed}}, limits=Limits(time=10.0)))
    assert "of names and values were written" in str(failure)


def test_a_flood_of_log_lines(hostile: Hostile, guest_log: pytest.LogCaptureFixture) -> None:
    hostile({"on-request": {"do": "log-many"}}, limits=Limits(time=10.0)).once()
    assert len([record for record in guest_log.records if record.name == "proxy.guest"]) < 1_000
