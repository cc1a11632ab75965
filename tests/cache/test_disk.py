"""The disk store keeps the contract, and what it is given, through whatever happens to the disk."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.cache.disk import INLINE, DiskStore
from proxy.cache.disk_body import BLOCK, FileBody
from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.policy import Refusal, Terms
from proxy.errors import ProxyError
from proxy.exchange import collect
from tests.cache import disk_writer
from tests.cache.scene import NOON, request
from tests.cache.store_contract import KEY, StoreContract, bytes_of, entry

LARGE = INLINE + 1


def _key(i: int) -> Key:
    return ("http", "a.example", f"/{i}", None)


def _body(store: DiskStore, key: Key = KEY, fields: str = "") -> bytes | None:
    variants = store.get(key)
    found = variants.match(request(fields)) if variants is not None else None
    return bytes_of(found) if found is not None else None


def _files(directory: Path) -> list[Path]:
    return sorted((directory / "bodies").iterdir())


class TestDiskStore(StoreContract):
    _opened: list[DiskStore]

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> Iterator[None]:
        self._tmp_path, self._opened = tmp_path, []
        yield
        for each in self._opened:
            each.close()

    def store(self, max_size: int = 1_000_000) -> DiskStore:
        self._opened.append(DiskStore(self._tmp_path / str(len(self._opened)), max_size))
        return self._opened[-1]


def test_what_is_stored_outlives_the_process(tmp_path: Path) -> None:
    terms = Terms(NOON, 60, validate=False, strict=True)
    selecting = (("cookie", "c"), ("headers", ""), ("note", "n"), ("vary", "x"))
    values = ("1", (("host", "a"), ("x", "\ufffd")), None, b"\xff")
    kept = Entry(
        203, [(b"x-a", b"\xff\x00"), (b"x-a", b"")], b"\x00body", ("tag", "é"), terms, selecting, values, 1.5, "p"
    )
    store = DiskStore(tmp_path, 1 << 20)
    store.put(("https", "a", "/%ff", ""), kept, store.mark())
    store.close()
    store = DiskStore(tmp_path, 1 << 20)
    found = store.get(("https", "a", "/%ff", ""))
    assert found is not None
    (same,) = found.entries()
    for name in ("status", "lines", "body", "tags", "terms", "selecting", "values", "received_at", "place"):
        assert getattr(same, name) == getattr(kept, name)
    assert store.get(("https", "a", "/%ff", None)) is None
    store.close()


@pytest.mark.parametrize("length", [LARGE, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_a_large_body_is_read_piece_by_piece(tmp_path: Path, length: int) -> None:
    store = DiskStore(tmp_path, 1 << 24)
    body = random.Random(length).randbytes(length)
    store.put(KEY, entry(body), store.mark())
    variants = store.get(KEY)
    assert variants is not None
    (found,) = variants.entries()
    assert isinstance(found.body, FileBody)
    assert (found.body.length, len(found.body), found.size) == (length, length, entry(body).size)
    pieces = []
    for part in (slice(None), slice(0, 1), slice(BLOCK - 1, BLOCK + 1), slice(length - 1, length), slice(5, 5)):
        assert asyncio.run(collect(found.body[part], length)) == body[part]
        pieces.append(found.body[1:][part].whole() == body[1:][part])
    assert pieces == [True] * 5
    store.close()


def test_what_is_being_read_may_be_deleted(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 20)
    store.put(KEY, entry(bytes(LARGE)), store.mark())
    variants = store.get(KEY)
    assert variants is not None
    store.delete(KEY)
    assert _files(tmp_path) == []
    assert [bytes_of(found) for found in variants.entries()] == [bytes(LARGE)]
    store.close()


def test_new_fields_for_a_stored_body_leave_the_file_alone(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 20)
    store.put(KEY, entry(b"x" * LARGE), store.mark())
    variants = store.get(KEY)
    assert variants is not None
    (stale,) = variants.entries()
    (file,) = _files(tmp_path)
    newer = entry(b"", at=NOON + 60)
    newer.body = stale.body
    assert store.put(KEY, newer, store.mark()) is None
    assert _files(tmp_path) == [file]
    variants = store.get(KEY)
    assert variants is not None
    assert [(bytes_of(each), each.received_at) for each in variants.entries()] == [(b"x" * LARGE, NOON + 60)]
    store.delete(KEY)
    assert store.put(KEY, newer, store.mark()) is Refusal.INCOMPLETE
    store.close()


def test_the_least_recently_used_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskStore(tmp_path, 4 * (LARGE + 6000))
    now = time.time_ns()
    monkeypatch.setattr("proxy.cache.disk.time.time_ns", lambda: now)
    for i in range(4):
        now += 100 * 10**9
        store.put(_key(i), entry(bytes(LARGE)), store.mark())
    now += 100 * 10**9
    store.get(_key(0))
    store.peek(_key(1))
    store.put(_key(4), entry(bytes(LARGE)), store.mark())
    assert [i for i in range(5) if store.peek(_key(i)) is not None] == [0, 2, 3, 4]
    assert len(_files(tmp_path)) == 4
    store.close()


def test_the_directory_stays_within_its_bound(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 8_000_000)
    rng = random.Random(0)
    for length in (60_000, 200_000, 3000):
        for i in range(200):
            store.put(_key(i), entry(bytes(rng.choice((100, length)))), store.mark())
        used = sum(
            path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".sqlite-wal"
        )
        assert store.size <= 8_000_000
        assert used < 8_000_000 * 1.1 + (1 << 20)
    store.close()


# Damage.


def _filled(directory: Path) -> None:
    store = DiskStore(directory, 1 << 24)
    for i in range(40):
        store.put(_key(i), entry(disk_writer.body(i, 0, LARGE if i % 8 == 0 else 3000)), store.mark())
    store.close()


def _served(store: DiskStore, i: int) -> bytes | None:
    try:
        return _body(store, _key(i))
    except ProxyError:
        return None


@pytest.mark.parametrize("seed", range(25))
def test_no_byte_of_a_damaged_directory_is_served(tmp_path: Path, seed: int) -> None:
    _filled(tmp_path)
    rng = random.Random(seed)
    for path in [tmp_path / "entries.sqlite", *_files(tmp_path)]:
        data = bytearray(path.read_bytes())
        match rng.randrange(4 if path.parent.name == "bodies" else 3):
            case 0:
                for _ in range(rng.choice((1, 20, 500))):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[rng.randrange(len(data)) :]
            case 2:
                begin = rng.randrange(len(data))
                data[begin : begin + 4096] = rng.randbytes(len(data[begin : begin + 4096]))
            case 3:
                path.unlink()
                continue
        path.write_bytes(data)
    store = DiskStore(tmp_path, 1 << 24)
    for i in range(40):
        assert _served(store, i) in (None, disk_writer.body(i, 0, LARGE if i % 8 == 0 else 3000))
        assert _served(store, i) in (None, disk_writer.body(i, 0, LARGE if i % 8 == 0 else 3000))
    for i in range(40):
        store.put(_key(i), entry(b"new"), store.mark())
    store.put(KEY, entry(b"new"), store.mark())
    assert _body(store) == b"new"
    store.close()


def test_garbage_for_a_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "entries.sqlite").write_bytes(b"garbage" * 1000)
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / "left").write_bytes(b"x")
    store = DiskStore(tmp_path, 1 << 20)
    assert store.put(KEY, entry(), store.mark()) is None
    assert _body(store) == b"body"
    assert _files(tmp_path) == []
    store.close()


def test_another_format_is_not_read(tmp_path: Path) -> None:
    _filled(tmp_path)
    database = sqlite3.connect(tmp_path / "entries.sqlite")
    database.execute("PRAGMA user_version = 12345")
    database.close()
    store = DiskStore(tmp_path, 1 << 24)
    assert store.size == 0
    assert store.get(_key(1)) is None
    assert _files(tmp_path) == []
    assert store.put(KEY, entry(), store.mark()) is None
    assert _body(store) == b"body"
    store.close()


# A disk that does not do as it is told.


def test_a_directory_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(OSError, match=str(path)):
            DiskStore(path, 1 << 20)


def test_a_directory_that_goes_away_is_as_if_nothing_were_stored(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", 1 << 24)
    store.put(_key(0), entry(bytes(LARGE)), store.mark())
    shutil.rmtree(tmp_path / "cache")
    assert store.get(_key(0)) is None
    assert store.put(_key(1), entry(bytes(LARGE)), store.mark()) is Refusal.INCOMPLETE
    store.delete(_key(1))
    store.close()


def test_a_full_disk_keeps_what_it_has(tmp_path: Path) -> None:
    """Files cannot grow: for bodies, and for the database and its log."""
    store = DiskStore(tmp_path, 1 << 24)
    store.put(_key(0), entry(b"small"), store.mark())
    store.put(_key(1), entry(b"x" * LARGE), store.mark())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        assert store.put(_key(2), entry(bytes(LARGE)), store.mark()) is Refusal.INCOMPLETE
        refusals = {store.put(_key(i), entry(bytes(20_000)), store.mark()) for i in range(3, 20)}
        assert Refusal.INCOMPLETE in refusals
        assert _body(store, _key(0)) == b"small"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(_files(tmp_path)) == 1
    assert _body(store, _key(1)) == b"x" * LARGE
    assert store.put(_key(2), entry(bytes(LARGE)), store.mark()) is None
    assert _body(store, _key(2)) == bytes(LARGE)
    store.close()


# Several processes, and their sudden end.


def test_two_may_use_one_directory(tmp_path: Path) -> None:
    one, two = DiskStore(tmp_path, 1 << 20), DiskStore(tmp_path, 1 << 20)
    one.put(_key(1), entry(b"x" * LARGE), one.mark())
    assert _body(two, _key(1)) == b"x" * LARGE
    two.put(_key(1), entry(b"newer"), two.mark())
    assert _body(one, _key(1)) == b"newer"
    assert _files(tmp_path) == []
    one.delete(_key(1))
    assert two.get(_key(1)) is None
    assert one.size == two.size == 0
    one.close()
    two.close()


def _writer(directory: Path, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.cache.disk_writer", str(directory), str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _started(writer: subprocess.Popen[bytes]) -> None:
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"


def _killed(writer: subprocess.Popen[bytes]) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert writer.stdout is not None
    writer.stdout.close()


def _assert_whole(directory: Path) -> int:
    """Everything there is can be served, is what was written, and is all there is."""
    store = DiskStore(directory, disk_writer.MAX_SIZE)
    whole = 0
    for i in range(disk_writer.KEYS):
        variants = store.get(_key(i))
        for found in variants.entries() if variants is not None else ():
            version = int(found.lines[0][1])
            assert bytes_of(found) == disk_writer.body(i, version, len(found.body))
            whole += 1
    database = sqlite3.connect(directory / "entries.sqlite")
    ((files,),) = database.execute("SELECT count(file) FROM entries")
    ((rows, size),) = database.execute("SELECT count(*), sum(size) FROM entries")
    database.close()
    assert (len(_files(directory)), rows, size) == (files, whole, store.size)
    assert store.size <= disk_writer.MAX_SIZE
    store.close()
    return whole


def test_a_process_killed_at_any_instant_leaves_nothing_damaged(tmp_path: Path) -> None:
    rng = random.Random(4)
    for n in range(12):
        writer = _writer(tmp_path, n)
        _started(writer)
        time.sleep(rng.random() * 0.15)
        _killed(writer)
        assert _assert_whole(tmp_path) > 0


def test_one_of_two_processes_may_be_killed(tmp_path: Path) -> None:
    writers = [_writer(tmp_path, n) for n in range(2)]
    for writer in writers:
        _started(writer)
    time.sleep(0.1)
    for writer in writers:
        _killed(writer)
    assert _assert_whole(tmp_path) > 0


def test_it_opens_at_once_however_much_is_in_it() -> None:
    """Nothing is rebuilt: 20,000 entries, one million or none."""
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.process_time()
        store = DiskStore(Path(scratch), 1 << 30)
        disk_writer.fill(store, 20_000)
        store.close()
        filled = time.process_time()
        store = DiskStore(Path(scratch), 1 << 30)
        assert _body(store, _key(19_999)) is not None
        assert time.process_time() - filled < (filled - begun) / 20
        store.close()


# Purges.


def _tagged(body: bytes = b"body") -> Entry:
    return replace(entry(body), tags=("news",))


def test_a_purge_holds_after_a_crash(tmp_path: Path) -> None:
    """What is on disk when it has been recorded, without anything that closing would add."""
    store = DiskStore(tmp_path / "one", 1 << 20)
    for i in range(3):
        store.put(_key(i), _tagged(bytes(LARGE) if i else b"small"), store.mark())
    store.put(_key(3), entry(), store.mark())
    store.record([("tag", "news")], None, "id")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    store.close()
    again = DiskStore(tmp_path / "two", 1 << 20)
    assert [again.get(_key(i)) is not None for i in range(4)] == [False, False, False, True]
    while again.sweep():
        pass
    assert _files(tmp_path / "two") == []
    assert again.put(_key(0), _tagged(), again.mark()) is None
    assert _body(again, _key(0)) == b"body"
    again.close()


def test_a_sweep_frees_the_disk_and_forgets_what_need_not_be_known(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 24)
    for i in range(500):
        store.put(_key(i), _tagged(), store.mark())
    store.put(_key(500), entry(), store.mark())
    store.purge([("tag", "news")])
    steps = 1
    while store.sweep():
        steps += 1
    assert steps > 2
    database = sqlite3.connect(tmp_path / "entries.sqlite")
    assert database.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    database.close()
    assert _body(store, _key(500)) == b"body"
    store.close()


def test_a_purge_that_cannot_be_written_down_is_said_and_counts_all_the_same(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 24)
    store.put(_key(0), _tagged(), store.mark())
    store.put(_key(1), entry(), store.mark())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match=str(tmp_path)):
            store.record([("tag", "news")], None, "id")
        assert store.get(_key(0)) is None
        assert store.put(_key(2), entry(), store.mark()) is Refusal.INCOMPLETE
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.get(_key(0)) is None
    assert _body(store, _key(1)) == b"body"
    store.close()


def test_another_process_s_purge_counts_here(tmp_path: Path) -> None:
    one, two = DiskStore(tmp_path, 1 << 20), DiskStore(tmp_path, 1 << 20)
    one.put(_key(1), _tagged(), one.mark())
    asked = one.mark()
    two.record([("prefix", "http://a.example/")], None, "id")
    one.record([("prefix", "http://a.example/")], None, "id")  # told by whoever told the other
    assert one.get(_key(1)) is None
    assert one.put(_key(1), _tagged(), asked) is Refusal.INVALIDATED
    assert one.put(_key(1), _tagged(), one.mark()) is None
    assert _body(two, _key(1)) == b"body"
    one.close()
    two.close()
