"""Where entries are kept. Every store does what `tests/cache/store_contract.py` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.policy import Refusal
from proxy.cache.purged import Selector
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

    What is purged stays purged: a response that was asked for before a purge that it comes under is not stored after
    it, or, when that was soft, stored as stale. So whoever asks for one takes a `mark` before, and `put`s with it.
    """

    def get(self, key: Key) -> Variants | None:
        """What there is, for use."""

    def peek(self, key: Key) -> Variants | None:
        """What there is, for looking: counts as no use."""

    def mark(self) -> int:
        """The moment before asking for what will be `put`."""

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        """Adds an entry, in place of one with the same selecting values; or SIZE when it is too large for the store,
        INVALIDATED when it was purged since `mark`."""

    def delete(self, key: Key) -> None:
        """Deletes all variants, including those being fetched."""

    def purge(self, selectors: Sequence[Selector], stale_at: float | None = None, id: str = "") -> Future[None] | None:
        """Takes away what comes under any of these; or, with `stale_at`, has it be stale from that time on.

        Here it is done at once. None when that is all, else what ends when slower tiers have it written down, with an
        OSError when that cannot be. id: of the purge, of which others that share those may tell them too.
        """

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

    def is_current(self, key: Key, mark: int, tags: Sequence[str] | None = None) -> bool:
        """Whether what was asked for at `mark` may still be used: nothing that it comes under was purged since. tags:
        None when they are not known yet."""

    def sweep(self) -> Iterator[None]:
        """Frees what was purged. To be gone through, a step whenever there is time; once at a time."""

    @property
    def unswept(self) -> bool:
        """There is something to sweep."""

    def variants(self) -> list[Variants]:
        """All in memory, for looking."""

    @property
    def disk_size(self) -> int | None:
        """Bytes in use on disk, when last looked at; None when there is no disk."""

    @property
    def count(self) -> int:
        """Keys in memory."""

    @property
    def evictions(self) -> int:
        """Keys that have left memory for want of room."""

    def room(self, limit: int) -> Room:
        """For the body of what will be `put`, of at most `limit` bytes: it counts as stored while it comes in."""
