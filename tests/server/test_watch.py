"""Slow and missed URLs, noted only while somebody looks."""

from __future__ import annotations

from collections.abc import Callable

from proxy.downstream import OnDone
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.server.watch import MOST, PATIENCE, SHOWN, Watch


class Timer:
    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Scene:
    """placed: what is told of exchanges besides the usual. timers: those that were set, in their order."""

    def __init__(self) -> None:
        self.placed: OnDone | None = None
        self.timers: list[Timer] = []
        self.watch = Watch(self._place, self._call_later)

    def _place(self, on_done: OnDone | None) -> None:
        self.placed = on_done

    def _call_later(self, seconds: float, then: Callable[[], None]) -> Timer:
        assert seconds == PATIENCE
        self.timers.append(Timer(then))
        return self.timers[-1]

    def exchange(self, path: str, seconds: float, *cache_status: str) -> None:
        assert self.placed is not None
        request = Request("GET", "http", "h", path, None, Fields(), Exchange())
        request.exchange.cache_status += cache_status
        self.placed(request, Response(200, Fields()), 1, True, seconds)


def test_it_ends_when_nobody_has_looked_for_a_while_and_forgets() -> None:
    scene = Scene()
    scene.watch.look()
    scene.exchange("/a", 1.0, "pages; fwd=uri-miss; stored")
    assert len(scene.watch.look()["slowest"]) == 1
    first, second = scene.timers
    assert first.cancelled
    second.then()
    assert scene.placed is None
    assert scene.watch.look() == {"slowest": [], "missed": []}


def test_the_slowest_of_each_url_and_the_most_missed() -> None:
    scene = Scene()
    scene.watch.look()
    for path, seconds, outcome in (("/a", 1, "hit"), ("/a", 3, "fwd=stale"), ("/a", 2, "fwd=bypass"), ("/b", 2, "hit")):
        scene.exchange(path, seconds, f"pages; {outcome}")
    found = scene.watch.look()
    assert [(each["url"], each["microseconds"]) for each in found["slowest"]] == [
        ("GET http://h/a", 3_000_000),
        ("GET http://h/b", 2_000_000),
    ]
    assert found["missed"] == [{"url": "GET http://h/a", "cache": "pages", "count": 1}]


def test_any_number_of_urls_take_bounded_memory() -> None:
    scene = Scene()
    scene.watch.look()
    scene.exchange("/often", 9.0, "pages; fwd=uri-miss")
    scene.exchange("/often", 9.0, "pages; fwd=uri-miss")
    for number in range(MOST * 3):
        scene.exchange(f"/{number}", number / 1e6, "pages; fwd=uri-miss")
    found = scene.watch.look()
    assert len(scene.watch._slow) <= MOST + 1
    assert len(scene.watch._missed) <= MOST + 1
    assert found["slowest"][0]["url"] == found["missed"][0]["url"] == "GET http://h/often"
    assert len(found["slowest"]) == len(found["missed"]) == SHOWN
