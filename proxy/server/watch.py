"""Which URLs are slow, and which are missed: noted only while somebody looks at the dashboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from proxy.downstream import OnDone
from proxy.exchange import Request, Response
from proxy.exchange.story import url_of
from proxy.telemetry.metrics import cache_outcome

PATIENCE = 30.0
"""Seconds without anybody looking, after which nothing is noted any more."""

MOST = 2000
"""URLs noted at once; then the less missed half is forgotten."""

SHOWN = 20
LONGEST = 300

MISSES = frozenset(("uri-miss", "vary-miss", "miss", "stale", "partial", "request"))


class Watch:
    """place: puts another function in the place of the one that is told of each finished exchange; None puts the usual
    one back. call_later: the loop's."""

    def __init__(
        self, place: Callable[[OnDone | None], None], call_later: Callable[[float, Callable[[], None]], Any]
    ) -> None:
        self._place = place
        self._call_later = call_later
        self._timer: Any = None
        self._slow: dict[str, tuple[int, int, str]] = {}
        self._missed: Counter[tuple[str, str]] = Counter()

    def look(self) -> dict[str, Any]:
        """What was noted since somebody began to look: slowest and most missed first."""
        if self._timer is None:
            self._place(self._note)
        else:
            self._timer.cancel()
        self._timer = self._call_later(PATIENCE, self._end)
        slow = sorted(self._slow.items(), key=lambda item: -item[1][0])[:SHOWN]
        return {
            "slowest": [
                {"url": url, "microseconds": spent, "status": status, "route": route}
                for url, (spent, status, route) in slow
            ],
            "missed": [
                {"url": url, "cache": cache, "count": count} for (cache, url), count in self._missed.most_common(SHOWN)
            ],
        }

    def _end(self) -> None:
        self._timer = None
        self._place(None)
        self._slow.clear()
        self._missed.clear()

    def _note(self, request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        url = f"{request.method} {url_of(request)}"[:LONGEST]
        spent = int(seconds * 1e6)
        if spent > self._slow.get(url, (-1, 0, ""))[0]:
            self._slow[url] = (spent, response.status, request.exchange.route)
            if len(self._slow) > MOST:
                kept = sorted(self._slow.items(), key=lambda item: -item[1][0])[: MOST // 2]
                self._slow = dict(kept)
        for member in request.exchange.cache_status:
            cache, outcome = cache_outcome(member)
            if outcome in MISSES:
                self._missed[cache, url] += 1
        if len(self._missed) > MOST:
            self._missed = Counter(dict(self._missed.most_common(MOST // 2)))
