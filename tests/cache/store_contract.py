"""What every store does: a test module for one inherits this."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.policy import Refusal, Terms
from proxy.cache.purged import Selector
from proxy.cache.store import Store
from tests.cache.scene import NOON, request

TAGGED = {"x": ("tx", "all"), "y": ("ty", "all"), "z": ("tz", "all", "a b")}

KEY: Key = ("http", "a.example", "/", None)


def entry(body: bytes = b"body", *, at: float = NOON, cookie: str | None = None) -> Entry:
    selecting, values = ((), ()) if cookie is None else ((("cookie", "c"),), (cookie,))
    return Entry(200, [(b"a", b"b")], body, (), Terms(at, 60, False, False), selecting, values, at)


def bytes_of(entry: Entry) -> bytes:
    return entry.body if isinstance(entry.body, bytes) else entry.body.whole()


class StoreContract:
    """`store` makes an empty one of at least that many bytes."""

    def store(self, max_size: int = 1_000_000) -> Store:
        raise NotImplementedError

    def _body(self, store: Store, key: Key = KEY, fields: str = "") -> bytes | None:
        variants = store.get(key)
        found = variants.match(request(fields)) if variants is not None else None
        return bytes_of(found) if found is not None else None

    def test_it_is_empty_at_first(self) -> None:
        assert self.store().get(KEY) is None

    def test_what_is_put_is_got(self) -> None:
        store = self.store()
        assert store.put(KEY, entry(b"one"), store.mark()) is None
        assert self._body(store) == b"one"
        assert store.get(("http", "a.example", "/", "")) is None

    def test_a_newer_entry_replaces(self) -> None:
        store = self.store()
        for body in (b"one", b"two"):
            store.put(KEY, entry(body), store.mark())
        assert self._body(store) == b"two"

    def test_variants_stand_side_by_side(self) -> None:
        store = self.store()
        for cookie in ("x", "y"):
            store.put(KEY, entry(cookie.encode(), cookie=cookie), store.mark())
        assert self._body(store, fields="cookie: c=x") == b"x"
        assert self._body(store, fields="cookie: c=y") == b"y"
        assert self._body(store, fields="cookie: c=z") is None

    def test_of_several_that_match_the_most_recent_answers(self) -> None:
        store = self.store()
        store.put(KEY, entry(b"new", cookie="x", at=NOON + 1), store.mark())
        store.put(KEY, entry(b"old"), store.mark())
        assert self._body(store, fields="cookie: c=x") == b"new"
        assert self._body(store) == b"old"

    def test_variants_are_bounded(self) -> None:
        store = self.store()
        for i in range(1000):
            store.put(KEY, entry(cookie=str(i), at=NOON + i), store.mark())
        variants = store.get(KEY)
        assert variants is not None
        assert variants.count == variants.LIMIT
        assert self._body(store, fields="cookie: c=999") == b"body"
        assert self._body(store, fields="cookie: c=0") is None

    def test_what_is_deleted_is_gone(self) -> None:
        store = self.store()
        store.put(KEY, entry(), store.mark())
        store.delete(KEY)
        store.delete(KEY)
        assert store.get(KEY) is None

    def test_what_was_asked_for_before_a_deletion_stays_deleted(self) -> None:
        store = self.store()
        before = store.mark()
        store.delete(KEY)
        assert store.put(KEY, entry(), before) is Refusal.INVALIDATED
        assert store.put(("http", "b.example", "/", None), entry(), before) is None
        assert store.put(KEY, entry(), store.mark()) is None

    def test_many_deletions_do_not_make_it_forget(self) -> None:
        store = self.store()
        before = store.mark()
        store.delete(KEY)
        for i in range(20_000):
            store.delete(("http", "a.example", f"/{i}", None))
        assert store.put(KEY, entry(), before) is Refusal.INVALIDATED
        assert store.put(KEY, entry(), store.mark()) is None

    def test_it_holds_no_more_than_its_size(self) -> None:
        store = self.store(50_000)
        keys: list[Key] = [("http", "a.example", f"/{i}", None) for i in range(100)]
        for key in keys:
            assert store.put(key, entry(bytes(2000)), store.mark()) is None
        held = [key for key in keys if store.peek(key) is not None]
        assert held
        assert 2000 * len(held) <= store.size <= 50_000
        assert store.peek(keys[-1]) is not None

    def test_too_large_an_entry_is_refused(self) -> None:
        store = self.store(50_000)
        assert store.put(KEY, entry(bytes(50_000)), store.mark()) is Refusal.SIZE
        assert store.put(("http", "a.example", "/" * 50_000, None), entry(), store.mark()) is Refusal.SIZE
        assert store.get(KEY) is None

    def test_variants_of_one_key_share_the_bound(self) -> None:
        store = self.store(50_000)
        for i in range(10):
            assert store.put(KEY, entry(bytes(9000), cookie=str(i), at=NOON + i), store.mark()) is None
        assert store.size <= 50_000
        assert self._body(store, fields="cookie: c=9") is not None

    # Purges.

    def _tagged(self) -> Store:
        """Three keys, /x to /z; each with two variants."""
        store = self.store()
        for name, tags in TAGGED.items():
            for cookie in (None, "1"):
                store.put(_key(name), _with(tags, cookie=cookie), store.mark())
        return store

    def _left(self, store: Store) -> str:
        """Those that are there; upper case if stale."""
        left = ""
        for name in TAGGED:
            variants = store.get(_key(name))
            for found in variants.entries() if variants is not None else ():
                left += name if found.fresh_until > NOON + 10 else name.upper()
        return left

    @pytest.mark.parametrize(
        ("selectors", "left"),
        [
            ([("tag", "tx")], "yyzz"),
            ([("tag", "tx"), ("tag", "tz")], "yy"),
            ([("tag", "a b")], "xxyy"),
            ([("tag", "all")], ""),
            ([("tag", "t")], "xxyyzz"),
            ([("prefix", "http://a.example/y")], "xxzz"),
            ([("prefix", "http://a.example/")], ""),
            ([("prefix", "http://a.example/yy")], "xxyyzz"),
            ([("prefix", "https://a.example/")], "xxyyzz"),
            ([("url", ("http", "a.example", "/z", None))], "xxyy"),
            ([("url", ("http", "a.example", "/z", ""))], "xxyyzz"),
            ([("all", "")], ""),
        ],
    )
    def test_a_purge_takes_what_comes_under_it(self, selectors: list[Selector], left: str) -> None:
        store = self._tagged()
        before = store.mark()
        store.purge(selectors)
        assert self._left(store) == left
        for name in TAGGED:
            refused = store.put(_key(name), _with(TAGGED[name]), before) is Refusal.INVALIDATED
            assert refused == (name not in left)
            assert store.put(_key(name), _with(TAGGED[name]), store.mark()) is None
        assert set(self._left(store)) == set("xyz")

    @pytest.mark.parametrize(
        "selector",
        [("tag", "tx"), ("prefix", "http://a.example/x"), ("url", ("http", "a.example", "/x", None))],
    )
    def test_a_soft_purge_makes_it_stale(self, selector: Selector) -> None:
        store = self._tagged()
        before = store.mark()
        store.purge([selector], NOON + 10)
        assert self._left(store) == "XXyyzz"
        assert store.put(_key("x"), _with(TAGGED["x"]), before) is None
        assert self._left(store) == "XXyyzz"
        assert store.put(_key("x"), _with(TAGGED["x"]), store.mark()) is None
        assert sorted(self._left(store)) == sorted("xXyyzz")
        store.purge([selector])
        assert self._left(store) == "yyzz"

    def test_what_is_stale_anyway_does_not_become_fresh_by_a_soft_purge(self) -> None:
        store = self.store()
        store.put(_key("x"), _with(("t",)), store.mark())
        store.purge([("all", "")], NOON + 3600)
        variants = store.get(_key("x"))
        assert variants is not None
        assert [each.fresh_until for each in variants.entries()] == [NOON + 60]


def _key(name: str) -> Key:
    return ("http", "a.example", f"/{name}", None)


def _with(tags: tuple[str, ...], *, cookie: str | None = None) -> Entry:
    return replace(entry(cookie=cookie), tags=tags)
