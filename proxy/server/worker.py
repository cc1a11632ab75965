"""A worker: the process that serves. It is forked by the supervisor, and ends with it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvloop

from proxy.config.errors import ConfigErrors
from proxy.config.loader import ConfigFile
from proxy.sandbox import Engine
from proxy.server.channel import Channel, Lost, Message
from proxy.server.code_cache import code_cache
from proxy.server.orders import Orders
from proxy.server.serve import Server
from proxy.server.sockets import Sockets, close
from proxy.telemetry.tracing import TracingError
from proxy.tls import tickets

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that clients which are connected get to ask once more, when others serve meanwhile."""

GRACE = 30.0
"""Seconds that running exchanges get to end when the process is asked to stop."""

UNCOLLECTED = 20_000
"""Objects that may come to be before those that hold each other are looked for. An exchange leaves none, but takes
dozens while it is under way: with Python's 700, some that begin together are reason enough to look."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Generation:
    """A configuration in effect, with all that it was read from: a worker that is replaced comes back with the same,
    whatever the files say by then. contents: of the components' files."""

    number: int
    file: ConfigFile
    contents: dict[Path, bytes]


@dataclass(frozen=True, slots=True)
class Ends:
    """A worker's ends of what connects it with the supervisor. hatch: for sockets."""

    channel: socket.socket
    hatch: socket.socket


def fork(generation: Generation, sockets: Sockets, ends: Ends, place: int) -> int:
    """The process id of a new worker, which is the one of that number. The process that forks has one thread, and no
    engine and no uvloop yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _be_worker(generation, sockets, ends, place)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return pid


def _be_worker(generation: Generation, sockets: Sockets, ends: Ends, place: int) -> NoReturn:
    """Nothing of the supervisor's is to be run, closed or collected here: its sockets' numbers are soon others'."""
    status = 1
    try:
        gc.freeze()
        gc.set_threshold(UNCOLLECTED)
        signal.set_wakeup_fd(-1)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        # Ctrl-C goes to all processes of the terminal, and what becomes of it is the supervisor's to say.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        kept = [ends.channel, ends.hatch, *(one for each in sockets.values() for one in each)]
        _close_all_but({each.fileno() for each in kept})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            status = runner.run(_work(generation, dict(sockets), ends, place))
    except BaseException:
        logger.exception("this worker cannot go on")
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _close_all_but(kept: set[int]) -> None:
    low = 3
    for number in sorted(kept):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


async def _work(generation: Generation, sockets: Sockets, ends: Ends, place: int) -> int:
    """Serve until the supervisor says otherwise, or is gone. The exit status."""
    orders: Orders | None = None
    stopped, forced = asyncio.Event(), asyncio.Event()
    patience = 0.0

    async def answer(order: Message) -> Message:
        nonlocal patience
        if order["do"] == "drain":
            patience = PATIENCE if order.get("gently") else 0.0
            (forced if stopped.is_set() else stopped).set()
            return {}
        assert orders is not None, "nothing else is asked before this worker says that it is ready"
        return await orders(order)

    channel = Channel(answer)
    await channel.open(ends.channel)
    try:
        server = Server(generation.file, Engine(code_cache()), read=generation.contents.__getitem__, place=place)
        generation.contents.clear()  # a copy that is not needed any more
        await server.start(sockets)
    except (ConfigErrors, OSError, TracingError) as error:
        with suppress(Lost):
            await channel.ask({"do": "failed", "why": str(error)})
        return 2
    orders = Orders(server, generation.number, sockets, ends.hatch, channel.ask)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    rotating = asyncio.ensure_future(tickets.forget_in_time())
    gone = asyncio.ensure_future(channel.lost.wait())
    with suppress(Lost):
        await channel.ask({"do": "ready"})
    await asyncio.wait((gone, asyncio.ensure_future(stopped.wait())), return_when=asyncio.FIRST_COMPLETED)
    if channel.lost.is_set():
        logger.error("the supervisor is gone: draining")
    close(sockets)
    draining = asyncio.ensure_future(_drain(server, patience))
    await asyncio.wait((draining, asyncio.ensure_future(forced.wait())), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        draining.cancel()
        await server.drain(0)
    rotating.cancel()
    with suppress(Lost):
        await channel.ask({"do": "goodbye", "families": server.metrics.families()})
    return 0


async def _drain(server: Server, patience: float) -> None:
    if patience:
        await server.retire(patience)
    await server.drain(GRACE)
