"""Files of Unix sockets belong to who made them."""

from __future__ import annotations

from pathlib import Path

from proxy.downstream import bind_file
from proxy.server.socket_files import SocketFiles


def test_what_was_made_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    files = SocketFiles()
    with bind_file(str(path), 0o600):
        files.made(str(path))
        SocketFiles().remove(str(path))
        assert path.exists()
        files.permit(str(path), 0o660)
        SocketFiles(files.to_json()).remove(str(path))
    assert not path.exists()
    files.remove(str(path))


def test_what_somebody_else_has_made_since_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    files = SocketFiles()
    with bind_file(str(path), 0o600):
        files.made(str(path))
    path.unlink()
    with bind_file(str(path), 0o600):
        files.permit(str(path), 0o666)
        assert path.stat().st_mode & 0o777 == 0o600
        files.remove(str(path))
        assert path.exists()
