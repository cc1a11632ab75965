"""What was taken away from a store, and when: so that nothing that was asked for before is stored, or used, after.

A purge of a tag, a prefix or everything is written down here and touches no entry: each entry carries the moment it
was last compared with what is written, and is compared again when it is next looked up, or when a sweep comes by,
whichever is first. So a purge takes the same time however much is stored.

A moment is a count of what was written down, not a time: clocks are set back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from proxy.cache.key import Key

REMEMBERED = 10_000
"""What is written down by key, and by tag or prefix once all entries have been compared with it. What was asked for
before something that is forgotten counts as taken away."""

Selector = tuple[str, str | Key]
"""("url", key), ("tag", name), ("prefix", the beginning of a URL) or ("all", "")."""

EVERYTHING: Selector = ("all", "")

UNKNOWN = None
"""Tags of what has not arrived yet: any tag may be among them."""


class _Moments(NamedTuple):
    """The last moment of each kind; stale_at: seconds since the epoch."""

    hard: int = 0
    soft: int = 0
    stale_at: float = inf

    @property
    def last(self) -> int:
        return max(self.hard, self.soft)


_NEVER = _Moments()


def url_of(key: Key) -> str:
    scheme, authority, path, query = key
    return f"{scheme}://{authority}{path}" + ("" if query is None else f"?{query}")


class Purged:
    """That of one store. latest: the last moment that stored entries are to be compared with."""

    def __init__(self) -> None:
        self.clock = 0
        self.latest = 0
        self._keys: dict[Key, _Moments] = {}
        self._rules: dict[Selector, _Moments] = {}
        self._lengths: Counter[int] = Counter()
        """Of the prefixes."""
        self._tagged = 0
        """The last moment at which a tag was purged."""
        self._forgotten_keys = self._forgotten_rules = 0

    def mark(self) -> int:
        """This moment."""
        return self.clock

    def add(self, selectors: Iterable[Selector], stale_at: float | None = None, moment: int | None = None) -> None:
        """Taken away at this moment; or, with stale_at, stale from that time on."""
        self.clock = self.clock + 1 if moment is None else max(self.clock, moment)
        for kind, what in selectors:
            if isinstance(what, tuple):
                self._keys[what] = self._later(self._keys.pop(what, _NEVER), stale_at)
                continue
            rule: Selector = (kind, what)
            before = self._rules.pop(rule, None)
            if before is None and kind == "prefix":
                self._lengths[len(what)] += 1
            self._rules[rule] = self._later(before or _NEVER, stale_at)
            self.latest = self.clock
            if kind == "tag":
                self._tagged = self.clock
        while len(self._keys) > REMEMBERED:
            self._forgotten_keys = self._keys.pop(next(iter(self._keys))).last

    def _later(self, before: _Moments, stale_at: float | None) -> _Moments:
        if stale_at is None:
            return before._replace(hard=self.clock)
        return before._replace(soft=self.clock, stale_at=stale_at)

    def stored(self, key: Key, tags: Iterable[str], since: int) -> float | None:
        """Until when what is stored may be fresh, going by all but its key, which the store itself knows about: inf
        when nothing since that moment is about it, None when it is to go."""
        if since < self._forgotten_rules:
            return None
        if since >= self.latest:
            return inf
        url = url_of(key) if self._lengths else ""
        rules: list[Selector] = [EVERYTHING, *(("tag", tag) for tag in tags)]
        rules += [("prefix", url[:length]) for length in self._lengths if length <= len(url)]
        until = inf
        for rule in rules:
            found = self._rules.get(rule)
            if found is not None:
                if found.hard > since:
                    return None
                if found.soft > since:
                    until = min(until, found.stale_at)
        return until

    def asked(self, key: Key, tags: Iterable[str] | None, mark: int) -> float | None:
        """The same of what was asked for at that moment."""
        if self.clock == mark:
            return inf
        found = self._keys.get(key, _NEVER)
        if mark < self._forgotten_keys or found.hard > mark or (tags is UNKNOWN and self._tagged > mark):
            return None
        until = self.stored(key, tags or (), mark)
        return until if until is None or found.soft <= mark else min(until, found.stale_at)

    def is_current(self, key: Key, mark: int, tags: Iterable[str] | None = UNKNOWN) -> bool:
        """What was asked for at that moment may be used now, as it is."""
        return self.asked(key, tags, mark) == inf

    def forget(self, moment: int) -> None:
        """What was asked for before that moment counts as taken away."""
        self._forgotten_keys = max(self._forgotten_keys, moment)

    def compared(self, moment: int) -> None:
        """All entries have been, with what was written down up to that moment: it need not be kept for them."""
        while len(self._rules) > REMEMBERED:
            rule = next(iter(self._rules))
            if self._rules[rule].last > moment:
                break
            self._forgotten_rules = self._rules.pop(rule).last
            if rule[0] == "prefix":
                self._lengths[len(rule[1])] -= 1
                self._lengths += Counter()
