"""Where entries are kept. Every store does what `tests/cache/store_contract.py` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.policy import Refusal
from proxy.cache.spool import Spool


class Room(Protocol):
    """Bytes of a store set aside for one body that is arriving."""

    def take(self, size: int) -> bool:
        """So many bytes more; False, and none, when there are no more to be had."""

    def free(self) -> None:
        """They are no longer needed, or stored. Again: does nothing."""


Behind = Callable[[Key], Awaitable[Variants | None]]
"""All that is stored under a key, here and behind; for one request alone."""


Spooling = Callable[[int], Spool | None]
"""Begins a body of at most so many bytes; None when that cannot be."""


class Store(Protocol):
    """Entries by primary key.

    What is deleted stays deleted: a response that was asked for before a deletion of its key is not stored after
    it. So whoever asks for one takes a `mark` before, and `put`s with it.
    """

    def get(self, key: Key) -> Variants | None:
        """What there is, for use."""

    def peek(self, key: Key) -> Variants | None:
        """What there is, for looking: counts as no use."""

    def mark(self) -> int:
        """The moment before asking for what will be `put`."""

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        """Adds an entry, in place of one with the same selecting values; or SIZE when it is too large for the store,
        INVALIDATED when the key was deleted since `mark`."""

    def delete(self, key: Key) -> None:
        """Deletes all variants, including those being fetched."""

    def is_current(self, key: Key, mark: int) -> bool:
        """Whether what was asked for at `mark` may still be used: nothing of this key was deleted since."""

    @property
    def size(self) -> int:
        """Bytes in use."""


class Front(Store, Protocol):
    """What a stage asks: each call answers at once, so that a hit waits for nothing. What slower tiers have is behind
    it, for after a miss."""

    behind: Behind | None
    """None when there is nothing behind."""

    spool: Spooling | None
    """For bodies that are large, if there is a disk."""

    def room(self, limit: int) -> Room:
        """For the body of what will be `put`, of at most `limit` bytes: it counts as stored while it comes in."""
