"""A process that writes to a disk store until it is killed: `python -m tests.cache.disk_writer DIRECTORY SEED`."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

from proxy.cache.disk import INLINE, DiskStore
from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.policy import Terms

KEYS = 60
MAX_SIZE = 3_000_000


def key(i: int) -> Key:
    return ("http", "a.example", f"/{i}", None)


def body(i: int, version: int, length: int) -> bytes:
    """What only this version of this key can be."""
    return Random(i * 1_000_003 + version).randbytes(length)


def entry(i: int, version: int, length: int) -> Entry:
    terms = Terms(1.0, 60.0, False, False)
    return Entry(200, [(b"x-version", b"%d" % version)], body(i, version, length), (), terms, (), (), float(version))


def fill(store: DiskStore, count: int) -> None:
    for i in range(count):
        store.put(key(i), entry(i, 0, 200), store.mark())


def main(directory: str, seed: str) -> None:
    rng = Random(seed)
    store = DiskStore(Path(directory), MAX_SIZE)
    version = int(seed) * 1_000_000
    while True:
        version += 1
        i = rng.randrange(KEYS)
        if rng.random() < 0.1:
            store.delete(key(i))
        else:
            length = rng.choice((10, 5_000, INLINE, INLINE + 1, 300_000))
            store.put(key(i), entry(i, version, length), store.mark())
        if version % 1_000_000 == 5:
            print("writing", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
