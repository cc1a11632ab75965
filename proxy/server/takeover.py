"""A restart without a gap: a new process of the program as it is on disk now takes over the listening sockets, and when
it serves, the old one finishes what it has under way and ends. When it does not come to serve, the old one goes on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from proxy.server.channel import Refused
from proxy.server.inherited import FILES, SOCKETS
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import Sockets

READY = "SLUICE_READY"
"""Names the variable with the file descriptor that the new process writes to when it serves."""

PATIENCE = 300.0
"""Seconds for that."""

OURS = (SOCKETS, FILES, READY, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID")


def take_ready(environment: Mapping[str, str]) -> int | None:
    """Where to say `serves`."""
    given = environment.get(READY)
    if given is None:
        return None
    os.set_inheritable(int(given), False)
    return int(given)


def serves(ready: int) -> None:
    """To the process that this one takes over from."""
    with suppress(OSError):
        os.write(ready, b"1")
    os.close(ready)


async def start_successor(sockets: Sockets, files: SocketFiles) -> int:
    """The new process, which serves already. Raises Refused when it came to nothing."""
    read, write = os.pipe()
    fds = {key: [each.fileno() for each in held] for key, held in sockets.items()}
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {SOCKETS: json.dumps(fds), FILES: files.to_json(), READY: str(write)}
    try:
        started = _start(environment, [write, *(fd for each in fds.values() for fd in each)])
    except OSError as error:
        os.close(read)
        raise Refused(f"a new process could not be started: {error}") from error
    finally:
        os.close(write)
    try:
        said = await asyncio.wait_for(_first_byte(read), PATIENCE)
    except TimeoutError:
        said = b""
    finally:
        os.close(read)
    if not said:
        started.kill()
        status = started.wait()
        raise Refused(f"the new process did not come to serve (it ended with status {status}); the old one goes on")
    return started.pid


def _start(environment: Mapping[str, str], fds: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment, pass_fds=fds)


async def _first_byte(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return os.read(fd, 1)
