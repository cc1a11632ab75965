"""Sockets to accept connections from."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host; port 0 takes a free one. Nothing listens yet. OSError when it cannot be
    had."""
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, address in addresses(host, port):
            each = socket.socket(family, kind, protocol)
            bound.append(each)
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def addresses(host: str, port: int) -> list[tuple[int, int, int, tuple[Any, ...]]]:
    """Family, type, protocol and address of each socket that these stand for. OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in dict.fromkeys(found)]


def bind_file(path: str, mode: int) -> socket.socket:
    """A Unix socket whose file has these permissions. Nothing listens yet. The file of a process that is no more is
    replaced. OSError when somebody listens there, or it is something else."""
    _make_room(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.setblocking(False)
    before = os.umask(0o777 & ~mode)  # of the process, which has one thread
    try:
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def _make_room(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # somebody listens, and has much to do
    raise OSError(errno.EADDRINUSE, "another process listens there")
