"""Guests that break the canonical ABI: each is stopped, and nothing of what it said is used."""

from __future__ import annotations

import pytest

from proxy.component import LinkError
from proxy.errors import ProxyError
from proxy.sandbox import Engine, Limits, Trap
from tests.compiled import cause
from tests.filters.placed import Placed
from tests.hostile.garbage import DATA, REST, component, line, reply

PAGE = 65536
ASKING = f"(call $path (i32.const 8)) (i32.const {DATA})"


def test_the_template_is_sound(engine: Engine) -> None:
    text = line((REST + 16, 3), (REST + 19, 2)) + b"x-aok" + b"body"
    data = reply(status=203, headers=(REST, 1), body=(REST + 21, 4), rest=text)
    outcome = Placed(engine, "sound", component(data=data, on_request=ASKING), {})()
    assert (outcome.status, outcome.headers, outcome.body) == (203, [("x-a", "ok"), ("content-length", "4")], b"body")
    assert outcome.reads == [("path", "")]


VERDICTS = {
    "no such case": reply(case=2),
    "no such case either": reply(case=255),
    "a list beyond memory": reply(headers=(PAGE, 1)),
    "a list that ends beyond memory": reply(headers=(PAGE - 16, 2)),
    "a list of all addresses": reply(headers=(0, 0xFFFFFFFF)),
    "a list whose size overflows": reply(headers=(0, 0x10000001)),
    "a list that is not aligned": reply(headers=(REST + 1, 1)),
    "an empty list that is not aligned": reply(headers=(REST + 2, 0)),
    "bytes beyond memory": reply(body=(PAGE - 1, 2)),
    "bytes at the last address": reply(body=(0xFFFFFFFF, 1)),
    "bytes of half the addresses": reply(body=(0, 0x7FFFFFFF)),
    "a name beyond memory": reply(headers=(REST, 1), rest=line((PAGE, 1), (0, 0))),
    "a name without end": reply(headers=(REST, 1), rest=line((0, 0xFFFFFFFF), (0, 0))),
    "a value beyond memory": reply(headers=(REST, 1), rest=line((0, 0), (0xFFFFFFF0, 0x20))),
    "a value that is not UTF-8": reply(headers=(REST, 1), rest=line((REST + 16, 1), (REST + 17, 2)) + b"x\xff\xfe"),
    "a surrogate": reply(headers=(REST, 1), rest=line((REST + 16, 1), (REST + 17, 3)) + b"x\xed\xa0\x80"),
    "an overlong form": reply(headers=(REST, 1), rest=line((REST + 16, 1), (REST + 17, 2)) + b"x\xc0\xaf"),
    "a cut character": reply(headers=(REST, 1), rest=line((REST + 16, 1), (REST + 17, 1)) + b"x\xc3"),
}


@pytest.mark.parametrize("data", VERDICTS.values(), ids=VERDICTS.keys())
def test_verdicts_that_are_none(engine: Engine, data: bytes) -> None:
    assert_stopped(engine, component(data=data))


BEHAVIOURS = {
    "a result that is not aligned": {"on_request": f"(i32.const {DATA + 1})"},
    "a result beyond memory": {"on_request": f"(i32.const {PAGE})"},
    "a result that ends beyond memory": {"on_request": f"(i32.const {PAGE - 20})"},
    "a result at the last address": {"on_request": "(i32.const -4)"},
    "a trap": {"on_request": "unreachable"},
    "a division by zero": {"on_request": "(i32.div_u (i32.const 1) (i32.const 0))"},
    "a read beyond memory": {"on_request": "(i32.load (i32.const -1))"},
    "a loop": {"on_request": "(loop $forever (br $forever)) unreachable"},
    "a recursion": {"on_request": f"(drop (call $recurse (i64.const 0))) (i32.const {DATA})"},
    "a text beyond memory": {"on_request": f"(call $set-path (i32.const {PAGE}) (i32.const 1)) (i32.const {DATA})"},
    "a text without end": {"on_request": f"(call $set-path (i32.const 0) (i32.const -1)) (i32.const {DATA})"},
    "a text for which there is no room": {"on_request": ASKING, "realloc": f"(i32.const {PAGE})"},
    "a text with room at the last address": {"on_request": ASKING, "realloc": "(i32.const -1)"},
    "a trap in realloc": {"on_request": ASKING, "realloc": "unreachable"},
    "a loop in realloc": {"on_request": ASKING, "realloc": "(loop $forever (br $forever)) unreachable"},
    "a result area beyond memory": {"on_request": f"(call $path (i32.const {PAGE - 4})) (i32.const {DATA})"},
    "a result area that is not aligned": {"on_request": f"(call $path (i32.const 9)) (i32.const {DATA})"},
    "a trap in post-return": {"post_return": "unreachable"},
    "a loop in post-return": {"post_return": "(loop $forever (br $forever))"},
    "a call in post-return": {"post_return": "(call $path (i32.const 8))"},
    "a trap in start": {"start": "unreachable"},
    "a loop in start": {"start": "(loop $forever (br $forever))"},
}


@pytest.mark.parametrize("parts", BEHAVIOURS.values(), ids=BEHAVIOURS.keys())
def test_behaviours(engine: Engine, parts: dict[str, str]) -> None:
    assert_stopped(engine, component(**parts))


def assert_stopped(engine: Engine, guest: bytes) -> None:
    placed = Placed(engine, "garbage", guest, {}, limits=Limits(time=0.05))
    with pytest.raises(ProxyError, match="filter garbage failed") as stopped:
        placed()
    assert isinstance(cause(stopped.value), Trap)
    assert placed.tally.errors == 1


def test_memory_that_does_not_fit_the_limits(engine: Engine) -> None:
    """Refused when it is linked, or at the latest when it is asked for."""
    with pytest.raises((LinkError, ProxyError)):
        Placed(engine, "garbage", component(memory="65536"), {})()


def test_growing_stops_at_the_limit(engine: Engine) -> None:
    """`memory.grow` says no; a guest that can live with that goes on."""
    growing = f"(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const {DATA})"
    limits = Limits(memory=1 << 20, time=5.0)
    assert Placed(engine, "growing", component(on_request=growing), {}, limits=limits)().status == 200
