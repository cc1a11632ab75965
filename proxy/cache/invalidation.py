"""What a request that changes something makes of what is stored (RFC 9111 §4.4)."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.cache import key as keys
from proxy.cache.key import Key, Keying
from proxy.cache.search import Searches
from proxy.cache.store import Front
from proxy.exchange import Request, Response


class Invalidation:
    """Of the entries of one cache."""

    def __init__(self, store: Front, keying: Keying, searches: Searches) -> None:
        self._store = store
        self._keying = keying
        self._searches = searches

    def after(self, request: Request, response: Response) -> None:
        """RFC 9111 §4.4: once it has succeeded, the target, and what the response says has changed with it, of the
        same origin."""
        if not 200 <= response.status < 400:
            return
        key = keys.primary(request)
        values = (response.fields.get(name) for name in (b"location", b"content-location"))
        for changed in (key, *(keys.reference(key, value) for value in values if value is not None)):
            if changed is not None:
                for stored in self.stored_under(changed):
                    self._store.delete(stored)

    def stored_under(self, key: Key) -> Iterator[Key]:
        """Where what answers a request with this key may be."""
        own = self._keying.canonical_key(key)
        yield own
        for asked in {own, key}:
            if (alike := self._searches.alike(asked)) is not None:
                yield alike
