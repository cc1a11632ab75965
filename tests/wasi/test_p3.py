"""The interfaces of WASI 0.3, called as guests call them: with streams in and out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from proxy.component import HostStream
from proxy.wasi.files import Folder, Open
from proxy.wasi.p3 import cli, clocks, filesystem, random, sockets
from proxy.wasi.p3.streams import Outcome, Taken, Whole, value_of


class Data:
    """An instance's data: what it holds, and what was printed."""

    def __init__(self) -> None:
        self.held: list[Open] = []
        self.printed: list[tuple[str, str]] = []

    def hold(self, opened: Open) -> None:
        self.held.append(opened)

    def close(self) -> None:
        for opened in self.held:
            opened.close()


def stream(content: bytes) -> HostStream:
    return HostStream(Whole(content))


def descriptor(data: Data, folder: Path, *, write: bool) -> tuple[dict[str, Any], Open]:
    """The methods of a descriptor, and the one of a folder that was granted."""
    offered = filesystem.interfaces([Folder(str(folder), "/", write)])
    get_directories: Any = offered["filesystem/preopens"].functions["get-directories"]
    ((base, at),) = get_directories(data)
    assert at == "/"
    functions = offered["filesystem/types"].functions
    return {name.removeprefix("[method]descriptor."): functions[name] for name in functions}, base


def test_a_file_is_written_and_read_through_streams(tmp_path: Path) -> None:
    async def using() -> None:
        data = Data()
        methods, base = descriptor(data, tmp_path, write=True)
        ok, file = methods["open-at"](data, base, frozenset(), "new", frozenset({"create"}), frozenset({"write"}))
        assert ok == "ok"
        assert await value_of(methods["write-via-stream"](data, file, stream(b"hello"), 0)) == ("ok", None)
        assert await value_of(methods["append-via-stream"](data, file, stream(b" there"))) == ("ok", None)
        contents, outcome = methods["read-via-stream"](data, file, 1)
        taken = Taken(contents)
        assert [await taken.read(), await taken.read()] == [b"ello there", b""]
        assert await value_of(outcome) == ("ok", None)
        case, told = methods["stat"](data, file)
        assert (case, told["type"], told["size"]) == ("ok", ("regular-file", None), 11)
        data.close()

    asyncio.run(using())
    assert (tmp_path / "new").read_bytes() == b"hello there"


def test_what_is_granted_to_be_read_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"as it was")

    async def using() -> None:
        data = Data()
        methods, base = descriptor(data, tmp_path, write=False)
        assert methods["open-at"](data, base, frozenset(), "new", frozenset({"create"}), frozenset()) == (
            "err", ("read-only", None),
        )  # fmt: skip
        _, file = methods["open-at"](data, base, frozenset(), "there", frozenset(), frozenset({"read"}))
        assert await value_of(methods["write-via-stream"](data, file, stream(b"x"), 0)) == ("err", ("read-only", None))
        assert methods["open-at"](data, base, frozenset(), "../x", frozenset(), frozenset()) == (
            "err", ("not-permitted", None),
        )  # fmt: skip
        data.close()

    asyncio.run(using())
    assert (tmp_path / "there").read_bytes() == b"as it was"


def test_what_is_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    async def using() -> list[Any]:
        data = Data()
        methods, base = descriptor(data, tmp_path, write=False)
        entries, outcome = methods["read-directory"](data, base)
        assert await value_of(outcome) == ("ok", None)
        found: list[Any] = await entries.source.read()
        data.close()
        return sorted(found, key=lambda entry: entry["name"])

    assert asyncio.run(using()) == [
        {"type": ("regular-file", None), "name": "file"},
        {"type": ("directory", None), "name": "folder"},
    ]


def test_output_goes_line_by_line_and_input_is_at_its_end() -> None:
    async def using() -> None:
        data = Data()
        offered = cli.interfaces(lambda data, name, line: data.printed.append((name, line)), {"A": "b"})
        write: Any = offered["cli/stdout"].functions["write-via-stream"]
        assert await value_of(write(data, stream(b"one\ntwo"))) == ("ok", None)
        assert data.printed == [("stdout", "one"), ("stdout", "two")]
        read: Any = offered["cli/stdin"].functions["read-via-stream"]
        nothing, outcome = read(data)
        assert await Taken(nothing).read() == b""
        assert await value_of(outcome) == ("ok", None)
        assert offered["cli/environment"].functions["get-environment"](data) == [("A", "b")]

    asyncio.run(using())


def test_nobody_gets_a_socket() -> None:
    offered = sockets.interfaces()
    assert offered["sockets/types"].functions["[static]tcp-socket.create"](None, "ipv4") == (
        "err", ("access-denied", None),
    )  # fmt: skip
    assert offered["sockets/ip-name-lookup"].functions["resolve-addresses"](None, "localhost") == (
        "err", ("access-denied", None),
    )  # fmt: skip


def test_who_asks_for_time_or_chance_is_impure() -> None:
    told: list[Any] = []
    offered = clocks.interfaces(told.append) | random.interfaces(told.append)
    offered["clocks/monotonic-clock"].functions["now"]("a")
    offered["clocks/system-clock"].functions["now"]("b")
    offered["random/random"].functions["get-random-u64"]("c")
    offered["random/insecure-seed"].functions["get-insecure-seed"]("d")
    assert told == ["a", "b", "c"]


def test_an_outcome_is_for_all_who_wait_whoever_gives_up() -> None:
    async def waiting() -> None:
        outcome = Outcome()

        async def wait() -> object:
            return await outcome

        one, other = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.sleep(0)
        outcome.tell("first")
        outcome.tell("second")
        assert await other == "first"
        assert await outcome == "first"
        assert one.cancelled()

    asyncio.run(waiting())
