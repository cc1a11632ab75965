"""Which pages of a memory were touched, as the system says; all of them where it does not."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.sandbox.pages import SIZE, Pages, _PageMap

needs_page_map = pytest.mark.skipif(
    not Path("/proc/self/pagemap").exists(), reason="the system has no /proc/self/pagemap"
)


@pytest.fixture
def memory() -> Iterator[tuple[mmap.mmap, int]]:
    """Eight pages, all of them there, and where they are."""
    with mmap.mmap(-1, 8 * SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[:] = b"x" * len(memory)
        held = ctypes.c_char.from_buffer(memory)
        yield memory, ctypes.addressof(held)
        del held


@needs_page_map
def test_what_was_written_or_read_is_touched(memory: tuple[mmap.mmap, int]) -> None:
    pages = Pages(memory[1], 8 * SIZE)
    assert pages.stretches(pages.read()) == []
    memory[0][SIZE] = 1
    memory[0][3 * SIZE - 1] = 1
    assert memory[0][7 * SIZE] == 0
    assert pages.stretches(pages.read()) == [(SIZE, 3 * SIZE), (7 * SIZE, 8 * SIZE)]
    assert pages.read() == pages.read()


@needs_page_map
def test_a_process_is_told_of_its_own_memory_alone(memory: tuple[mmap.mmap, int]) -> None:
    pages = Pages(memory[1], 8 * SIZE)
    child = os.fork()
    if child == 0:
        memory[0][2 * SIZE] = 1
        os._exit(pages.stretches(pages.read()) != [(2 * SIZE, 3 * SIZE)])
    assert os.waitpid(child, 0)[1] == 0
    assert pages.stretches(pages.read()) == []


@needs_page_map
def test_a_file_that_knows_nothing_is_not_believed(
    memory: tuple[mmap.mmap, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.sandbox.pages._map", _PageMap())
    monkeypatch.setattr("proxy.sandbox.pages.os.pread", lambda file, size, offset: bytes(size))
    pages = Pages(memory[1], 8 * SIZE)
    assert pages.stretches(pages.read()) == [(0, 8 * SIZE)]


@pytest.mark.parametrize(("at", "size"), [(0, 8 * SIZE), (16, SIZE), (0, SIZE + 16)])
def test_where_nothing_is_known_all_are(
    memory: tuple[mmap.mmap, int], at: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if at == 0 and size == 8 * SIZE:
        monkeypatch.setattr("proxy.sandbox.pages.raw.give_back", lambda address, size: False)
    pages = Pages(memory[1] + at, size)
    assert pages.stretches(pages.read()) == [(0, size)]
    assert memory[0][:] == b"x" * len(memory[0])
