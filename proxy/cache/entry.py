"""A stored response, and the variants of one URI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from proxy.cache.disk_body import FileBody
from proxy.cache.eviction import Item
from proxy.cache.key import Key, Selecting, Values, values
from proxy.cache.policy import Terms
from proxy.cache.status import Said
from proxy.exchange import Request
from proxy.http import dates
from proxy.http.fields import Fields, Line

_NOT_STORED = frozenset((
    # RFC 9111 §3.1
    b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization",
    # About the exchange that brought the response, not about the response; Age is made anew for each answer.
    b"age", b"cache-status", b"trailer",
))  # fmt: skip

_NOT_UPDATED = frozenset((
    b"content-digest", b"content-encoding", b"content-length", b"content-md5", b"content-range",
))  # fmt: skip
"""A 304 cannot change these of the stored response (RFC 9111 §3.2): they describe the bytes that are stored."""

KEY_OVERHEAD = 940
ENTRY_OVERHEAD = 1385
LINE_OVERHEAD = 143
VALUE_OVERHEAD = 240
TAG_OVERHEAD = 57
"""Bytes of memory beyond the contents, of a key with all that a store keeps for it, an entry with what it was last
answered with, a field line, a selecting
value, a tag: measured with tracemalloc."""


Content = bytes | FileBody
"""A stored body; one on disk can be read once, and so can each slice of it."""


@dataclass(slots=True, eq=False)
class Entry:
    """A response to GET, or with status 206 a part of one; never changed once it is stored. lines: as they are sent,
    but for Age and Cache-Status. place: which stages made it, so that caches with one store and other stages below them
    do not take it for theirs. fresh_until: until when it answers every request that asks for nothing special."""

    status: int
    lines: list[Line]
    body: Content
    tags: tuple[str, ...]
    terms: Terms
    selecting: Selecting
    values: Values
    received_at: float
    place: str = ""
    said: Said | None = field(init=False, default=None)
    """What was said when it was last answered with."""
    fresh_until: float = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.fresh_until = 0.0 if self.status == 206 else self.terms.fresh_until
        self.size = ENTRY_OVERHEAD + len(self.body)
        for name, value in self.lines:
            self.size += 2 * (len(name) + len(value)) + LINE_OVERHEAD  # once more, as they are sent
        for selected in self.values:
            self.size += len(str(selected)) + VALUE_OVERHEAD
        for tag in self.tags:
            self.size += len(tag) + TAG_OVERHEAD

    def fresh_only_until(self, moment: float) -> Entry:
        """The same, stale from then on if it is not before."""
        if self.terms.born + self.terms.lifetime <= moment:
            return self
        return replace(self, terms=replace(self.terms, lifetime=moment - self.terms.born))


def stored_lines(
    status: int, fields: Fields, length: int, received_at: float, withheld: frozenset[bytes] = frozenset()
) -> list[Line]:
    """The field lines to store of a response with a content of `length` bytes, without those withheld."""
    dropped = _NOT_STORED | withheld | {b"content-length"}
    lines = [line for line in fields.lines if line[0] not in dropped]
    if status != 204:  # RFC 9110 §8.6
        lines.append((b"content-length", str(length).encode()))
    if b"date" not in fields:  # RFC 9110 §6.6.1
        lines.append((b"date", dates.render(received_at)))
    return lines


def updated(entry: Entry, answer: Fields, received_at: float) -> Fields:
    """The fields of a stored response after a 304 with these (RFC 9111 §3.2, §4.3.4)."""
    new = [line for line in answer.lines if line[0] not in _NOT_UPDATED]
    replaced = {name for name, _ in new}
    if b"date" not in replaced:
        new.append((b"date", dates.render(received_at)))
        replaced.add(b"date")
    return Fields([line for line in entry.lines if line[0] not in replaced] + new)


class Variants(Item[Key]):
    """The entries of one primary key, by the place they were made at, by what they select on, then by its values."""

    __slots__ = ("_places", "compared", "count", "key_size")

    LIMIT: ClassVar[int] = 128
    """Entries; the oldest goes first."""

    def __init__(self, key: Key) -> None:
        self._places: dict[str, dict[Selecting, dict[Values, Entry]]] = {}
        self.count = 0
        self.compared = 0
        """The moment up to which all entries have been compared with what was purged."""
        self.key_size = KEY_OVERHEAD + sum(len(part) for part in key if part is not None)
        super().__init__(key, self.key_size)

    def match(self, request: Request, place: str = "") -> Entry | None:
        """The entry that answers this request; the most recent if several do (RFC 9111 §4.1)."""
        groups = self._places.get(place)
        if groups is None:
            return None
        best: Entry | None = None
        for selecting, entries in groups.items():
            entry = entries.get(values(request, selecting) if selecting else ())
            if entry is not None and (best is None or entry.received_at > best.received_at):
                best = entry
        return best

    def has(self, place: str) -> bool:
        return bool(self._places.get(place))

    def selections(self, request: Request, place: str = "") -> tuple[tuple[Selecting, Values], ...]:
        """Each selecting set there is, and what it yields on this request: requests for which this is the same
        select the same entry, as far as is known from the entries so far."""
        return tuple([(selecting, values(request, selecting)) for selecting in self._places.get(place, ())])

    def add(self, entry: Entry) -> None:
        entries = self._places.setdefault(entry.place, {}).setdefault(entry.selecting, {})
        replaced = entries.pop(entry.values, None)
        if replaced is not None:
            self.count -= 1
            self.size -= replaced.size
        entries[entry.values] = entry
        self.count += 1
        self.size += entry.size
        if self.count > self.LIMIT:
            self.drop_oldest()

    def clear(self) -> None:
        self._places = {}
        self.count = 0
        self.size = self.key_size

    def entries(self) -> Iterator[Entry]:
        for place in self._places.values():
            for entries in place.values():
                yield from entries.values()

    def drop_oldest(self) -> None:
        self.drop(min(self.entries(), key=lambda entry: entry.received_at))

    def drop(self, entry: Entry) -> None:
        """One that is there."""
        place = self._places[entry.place]
        entries = place[entry.selecting]
        del entries[entry.values]
        if not entries:
            del place[entry.selecting]
        self.count -= 1
        self.size -= entry.size
