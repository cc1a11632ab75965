"""The memory store keeps the contract, and the most recently used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.key import Key
from proxy.cache.store import MemoryStore
from tests.cache.store_contract import KEY, StoreContract, entry


class TestMemoryStore(StoreContract):
    def store(self, max_size: int = 1_000_000) -> MemoryStore:
        return MemoryStore(max_size)


def test_the_least_recently_used_goes_first() -> None:
    store = MemoryStore(3 * (entry().size + 100))
    keys: list[Key] = [("http", "a.example", f"/{i}", None) for i in range(4)]
    for key in keys[:3]:
        store.put(key, entry(), store.mark())
    store.get(keys[0])
    store.peek(keys[1])
    store.put(keys[3], entry(), store.mark())
    assert [store.peek(key) is not None for key in keys] == [True, False, True, True]


steps = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9000), st.none() | st.sampled_from("xyz"), st.booleans()))


@given(steps)
def test_its_accounting_is_exact(steps: list[tuple[int, int, str | None, bool]]) -> None:
    store = MemoryStore(30_000)
    keys: list[Key] = [("http", "a.example", f"/{i}", None) for i in range(6)]
    for time, (i, size, cookie, delete) in enumerate(steps):
        if delete:
            store.delete(keys[i])
        else:
            store.put(keys[i], entry(bytes(size), cookie=cookie, at=float(time)), store.mark())
        assert store.size == sum(v.size for key in keys if (v := store.peek(key)) is not None) <= 30_000
    store.delete(KEY)
