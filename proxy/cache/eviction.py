"""What leaves a full store first: S3-FIFO.

J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. What is new waits in a small queue; what
was not used again by the time it reaches the end of it goes, and most objects of the web are asked for only once. The
others move to the main queue, and go round there as long as they are used. A use adds one on the item and moves
nothing, so a hit is as cheap as it can be. `python -m tests.bench.cache_eviction` compares it with others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

MOST_USES = 3
"""Uses beyond these since an item was last looked at do not count."""

SMALL_SHARE = 10
"""The small queue is the first to give while it has more than this part of all: one in ten."""

TIDIED = 4
"""Places of each queue looked at for one that becomes empty while there are too many of those."""

K = TypeVar("K", bound=Hashable)


class Item(Generic[K]):
    """What stands in a queue. size: bytes. uses: all there were; whoever uses it counts them. spent: those of them that
    have kept it in, or come too many."""

    __slots__ = ("in_main", "key", "queued", "size", "spent", "uses")

    def __init__(self, key: K, size: int) -> None:
        self.key = key
        self.size = size
        self.uses = self.spent = 0
        self.queued = False
        self.in_main = False


T = TypeVar("T", bound=Item[Any])


class Queues(Generic[T]):
    """The order in which items leave. `evicted` is told of each that has to; `size` is that of all items in them."""

    def __init__(self, evicted: Callable[[T], object]) -> None:
        self._evicted = evicted
        self._small: deque[T] = deque()
        self._main: deque[T] = deque()
        self._small_size = 0
        self._count = 0
        self._ghosts: dict[int, None] = {}
        self._ghost_queue: deque[int] = deque()
        self._walked = False
        self.size = 0

    def put(self, item: T) -> None:
        """A new one. One whose key has left the small queue lately, too early as it seems, gets a place in the main."""
        ghost = hash(item.key)
        item.spent = item.uses
        item.queued = True
        item.in_main = ghost in self._ghosts
        self._count += 1
        if item.in_main:
            del self._ghosts[ghost]
            self._main.append(item)
        else:
            self._small.append(item)
        self._resize(item, item.size)

    def grew(self, item: T, size: int) -> None:
        """Its size has become another, by so many bytes."""
        self._resize(item, size)

    def remove(self, item: T) -> None:
        """It stays in its queue, empty, until its turn comes, or there are too many of its kind."""
        self._forget(item)
        if not self._walked and len(self._small) + len(self._main) > 2 * self._count + 1000:
            for queue in (self._small, self._main):
                self._tidy(queue)

    def _tidy(self, queue: deque[T]) -> None:
        """A few places on around the queue, and what is empty there out of it: never all at once, as it may be long."""
        for _ in range(min(len(queue), TIDIED)):
            item = queue.popleft()
            if item.queued:
                queue.append(item)

    def walk(self, visit: Callable[[T], object]) -> Iterator[None]:
        """Visit every item, a place of a queue at a time; once at a time. Items may be put, removed and evicted between
        two places, so no list of them is made: the queues are gone around. One that eviction puts back meanwhile may
        be left out."""
        self._walked = True  # this finds what is empty, and keeps the places in order
        try:
            for queue in (self._small, self._main):
                for _ in range(len(queue)):
                    if not queue:
                        break
                    item = queue.popleft()
                    if item.queued:
                        visit(item)
                    if item.queued:
                        queue.append(item)
                    yield
        finally:
            self._walked = False

    def shrink(self, limit: int) -> None:
        """Evict until all that is left has at most `limit` bytes."""
        while self.size > limit and self._count:
            if self._small_size * SMALL_SHARE > limit or self._small_size == self.size:
                self._shrink_small()
            else:
                self._shrink_main()

    def _shrink_small(self) -> None:
        item = self._small.popleft()
        if not item.queued:
            return
        if item.uses > item.spent:
            self._small_size -= item.size
            item.in_main = True
            item.spent = item.uses
            self._main.append(item)
        else:
            self._forget(item)
            self._remember(hash(item.key))
            self._evicted(item)

    def _shrink_main(self) -> None:
        item = self._main.popleft()
        if not item.queued:
            return
        if item.uses > item.spent:
            item.spent = max(item.spent, item.uses - MOST_USES) + 1
            self._main.append(item)
        else:
            self._forget(item)
            self._evicted(item)

    def _forget(self, item: T) -> None:
        item.queued = False
        self._count -= 1
        self._resize(item, -item.size)

    def _resize(self, item: T, grown: int) -> None:
        self.size += grown
        if not item.in_main:
            self._small_size += grown

    def _remember(self, ghost: int) -> None:
        """As many as there are items."""
        self._ghosts[ghost] = None
        self._ghost_queue.append(ghost)
        while len(self._ghost_queue) > self._count:
            self._ghosts.pop(self._ghost_queue.popleft(), None)
