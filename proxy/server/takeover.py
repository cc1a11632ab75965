"""A restart without a gap: a new process of the program as it is on disk now takes over the listening sockets, and when
it serves, the old one finishes what it has under way and ends. When it does not come to serve, the old one goes on."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping

from proxy.server.channel import Refused
from proxy.server.inherited import FILES, SOCKETS
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import Sockets
from proxy.server.succession import Succession

BEFORE = "SLUICE_BEFORE"
"""Names the variable with the file descriptor of a socket, with the old process at its other end."""

PATIENCE = 300.0
"""Seconds for that."""

OURS = (SOCKETS, FILES, BEFORE, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID")


def take_before(environment: Mapping[str, str]) -> socket.socket | None:
    """The process that this one takes over from."""
    given = environment.get(BEFORE)
    if given is None:
        return None
    os.set_inheritable(int(given), False)
    return socket.socket(fileno=int(given))


async def start_successor(sockets: Sockets, files: SocketFiles, succession: Succession) -> int:
    """The new process, which serves already. Raises Refused when it came to nothing."""
    here, there = socket.socketpair()
    fds = {key: [each.fileno() for each in held] for key, held in sockets.items()}
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {SOCKETS: json.dumps(fds), FILES: files.to_json(), BEFORE: str(there.fileno())}
    try:
        started = _start(environment, [there.fileno(), *(fd for each in fds.values() for fd in each)])
    except OSError as error:
        here.close()
        raise Refused(f"a new process could not be started: {error}") from error
    finally:
        there.close()
    try:
        serves = await asyncio.wait_for(succession.followed(here), PATIENCE)
    except TimeoutError:
        serves = False
    if not serves:
        started.kill()
        status = started.wait()
        raise Refused(f"the new process did not come to serve (it ended with status {status}); the old one goes on")
    return started.pid


def _start(environment: Mapping[str, str], fds: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment, pass_fds=fds)
