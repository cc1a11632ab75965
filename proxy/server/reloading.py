"""A reload, in two steps: every worker prepares the new configuration beside the old, and when all have, all commit.

When one refuses, or ends while it tries, none does, and everything stays as it is.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.downstream.listener import BACKLOG
from proxy.server.assemble import digest
from proxy.server.channel import Lost, Refused
from proxy.server.crew import Crew, Worker, wanted_workers
from proxy.server.datagram_sockets import of_worker
from proxy.server.orders import fingerprint
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import Sockets, bind, close, permit
from proxy.server.worker import Generation

logger = logging.getLogger(__name__)

COMPILING = 300.0
"""Seconds that a worker may take to prepare."""


def read(path: Path, number: int) -> Generation:
    """The configuration as it is on disk, with its components. Raises Refused."""
    try:
        file = load(path)
        contents = {declared.component: declared.component.read_bytes() for declared in file.config.filters.values()}
    except (ConfigErrors, OSError) as error:
        raise Refused(str(error)) from error
    return Generation(number, file, contents)


async def reload(crew: Crew, path: Path, files: SocketFiles) -> None:
    """Puts in effect what the file says. Raises Refused. Sockets that are no longer listened on are closed, and their
    files removed."""
    crew.calm.clear()
    try:
        await crew.settled()
        new = read(path, crew.generation.number + 1)
        try:
            sockets = bind(new.file.config, crew.sockets, files, wanted_workers(new.file.config))
        except OSError as error:
            raise Refused(str(error)) from error
        try:
            _listen(sockets, crew.sockets)
            await _prepare(crew, new)
        except (Refused, OSError) as error:
            close(sockets, keep=crew.sockets, files=files)
            raise Refused(str(error)) from error
        old, crew.sockets, crew.generation = crew.sockets, sockets, new
        await asyncio.gather(*(_commit(crew, worker, new, sockets, old) for worker in crew.serving))
        close(old, keep=sockets, files=files)
        permit(new.file.config, files)
    finally:
        crew.calm.set()
    await crew.size(wanted_workers(new.file.config))


def _listen(sockets: Sockets, old: Sockets) -> None:
    """That somebody else already listens is found out while there is a way back."""
    for key in sockets.keys() - old.keys():
        for each in sockets[key]:
            if each.type == socket.SOCK_STREAM:
                each.listen(BACKLOG)


async def _prepare(crew: Crew, new: Generation) -> None:
    """One after the other: what the first compiled the others find on disk, and no more than one is busy with it."""
    order = {"do": "prepare", "path": str(new.file.path), "text": new.file.text}
    expected = fingerprint(new.file, digests(new))
    workers = crew.serving
    if not workers:
        raise Refused("no worker is running that could try it: start the proxy anew")
    try:
        for worker in workers:
            answer = await asyncio.wait_for(worker.channel.ask(order), COMPILING)
            if answer["fingerprint"] != expected:
                raise Refused("files changed while they were being read: reload again")
    except (Refused, Lost, TimeoutError) as error:
        await crew.ask({"do": "abandon"})
        why = "a worker took too long" if isinstance(error, TimeoutError) else str(error)
        raise Refused(why) from error


async def _commit(crew: Crew, worker: Worker, new: Generation, sockets: Sockets, old: Sockets) -> None:
    added = {key: each for key, each in of_worker(sockets, worker.place).items() if key not in old}
    order = {
        "do": "commit",
        "generation": new.number,
        "keys": list(sockets),
        "new": {key: len(each) for key, each in added.items()},
    }
    try:
        for each in added.values():
            socket.send_fds(worker.hatch, [b"."], [one.fileno() for one in each])
        await asyncio.wait_for(worker.channel.ask(order), COMPILING)
        worker.generation = new.number
    except Lost:
        pass  # its successor begins with the new one
    except (Refused, TimeoutError, OSError) as error:
        logger.error("worker %d did not commit, and is replaced: %s", worker.place, error)
        crew.kill(worker)


def digests(generation: Generation) -> dict[str, str]:
    """Of the filters' components, by name."""
    filters = generation.file.config.filters
    return {name: digest(generation.contents[declared.component]) for name, declared in filters.items()}
