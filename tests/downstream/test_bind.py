"""Files of Unix sockets: what is there already decides."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from proxy.downstream import bind_file


def test_what_another_process_listens_on_is_left_to_it(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with bind_file(path, 0o600) as first:
        first.listen(0)
        for _ in range(3):  # looking takes a place in the queue, which is full then
            with pytest.raises(OSError, match="another process listens there"):
                bind_file(path, 0o600)
        assert os.path.exists(path)


@pytest.mark.parametrize("what", ["file", "directory", "link", "link to nothing"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, what: str) -> None:
    path, target = tmp_path / "s", tmp_path / "target"
    match what:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            bind_file(str(target), 0o600).close()
            path.symlink_to(target)
        case _:
            path.symlink_to(target)
    with pytest.raises(OSError, match="it is no socket"):
        bind_file(str(path), 0o600)
    assert os.path.lexists(path)
    assert what != "file" or path.read_text() == "precious"


def test_a_socket_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(OSError, match="wrong type"):
            bind_file(path, 0o600)
        assert os.path.exists(path)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_file_of_a_process_that_is_no_more_is_replaced(tmp_path: Path, mode: int) -> None:
    path = str(tmp_path / "s")
    for _ in range(2):
        with bind_file(path, mode):
            assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert os.umask(0o022) == 0o022


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bind_file(str(tmp_path / "no" / "s"), 0o600)
