"""The workers, as the supervisor sees them: forked, watched, asked, replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from proxy.config import model
from proxy.server.channel import Channel, Lost, Message, Refused
from proxy.server.datagram_sockets import of_worker
from proxy.server.recordings import Recordings
from proxy.server.respawn import Respawn
from proxy.server.sockets import Sockets
from proxy.server.worker import Ends, Generation, fork
from proxy.telemetry.families import Family, added, lasting

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for an answer that takes no work."""


@dataclass(eq=False)
class Worker:
    """One process. state: starting, serving, or leaving, which is when it was told to go."""

    place: int
    pid: int
    generation: int
    channel: Channel
    hatch: socket.socket
    began: float
    ready: asyncio.Future[None]
    state: str = "starting"
    families: list[Family] = field(default_factory=list)
    """What it had counted when it was last asked."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Crew:
    """generation and sockets are what the next worker is given; whoever changes them sees to those there are.

    calm: cleared while a reload is under way, for no worker to begin meanwhile.
    """

    def __init__(self, generation: Generation, sockets: Sockets) -> None:
        self.generation = generation
        self.sockets = sockets
        self.calm = asyncio.Event()
        self.calm.set()
        self.departed: list[Family] = []
        """What those counted that are no more."""
        self.replaced = 0
        self.recordings = Recordings(self.ask)
        self._workers: dict[int, Worker] = {}
        """By place."""
        self._leaving: set[Worker] = set()
        self._places: dict[int, Respawn] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def serving(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.state == "serving"]

    async def size(self, number: int) -> None:
        """Have so many. Raises Refused, or Lost, when a new one could not begin."""
        for place in [place for place in self._workers if place >= number]:
            self._dismiss(self._workers.pop(place), gently=True)
            self._places.pop(place)
        new = [await self._begin(place) for place in range(number) if place not in self._places]
        await asyncio.gather(*(worker.ready for worker in new))

    async def settled(self) -> None:
        """Until none is just beginning."""
        starting = [worker.ready for worker in self._workers.values() if worker.state == "starting"]
        await asyncio.gather(*starting, return_exceptions=True)

    async def ask(self, order: Message, *, one: bool = False) -> list[tuple[int, Message]]:
        """What those that serve (or one of them) answer, by place, but for those that cannot. Raises Refused when one
        will not."""
        workers = self.serving[:1] if one else self.serving
        answers = await self._answers(workers, order)
        return [(worker.place, answer) for worker, answer in answers.items() if answer is not None]

    async def ask_every(self, order: Message) -> list[Message]:
        """What all answer that serve somebody, those that drain or have only just begun among them. Those that cannot
        are killed, and replaced; who begins when all others have done it is not asked."""
        answers: dict[Worker, Message | None] = {}
        while True:
            await self.settled()
            workers = [each for each in self._all() if each.state != "starting" and each not in answers]
            if not workers:
                return [answer for answer in answers.values() if answer is not None]
            answers |= await self._answers(workers, order)
            for worker in workers:
                if answers[worker] is None:
                    self.kill(worker)

    async def _answers(self, workers: list[Worker], order: Message) -> dict[Worker, Message | None]:
        """None from those that cannot."""
        asked = (asyncio.wait_for(worker.channel.ask(order), PATIENCE) for worker in workers)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, Refused):
                raise answer
        return {
            worker: answer if isinstance(answer, dict) else None
            for worker, answer in zip(workers, answers, strict=True)
        }

    async def families(self) -> list[Family]:
        """What all workers count, and have counted."""
        for place, answer in await self.ask({"do": "metrics"}):
            if place in self._workers:
                self._workers[place].families = answer["families"]
        return added([self.departed, *(worker.families for worker in self._all())])

    def kill(self, worker: Worker) -> None:
        """It is not to be trusted any more, and is replaced."""
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)

    async def stop(self, *, gently: bool = False) -> None:
        """All are told to drain, and none is replaced. gently: clients that are connected are served once more."""
        self._stopping = True
        for worker in list(self._workers.values()):
            self._dismiss(worker, gently=gently)
        self._workers.clear()
        for worker in list(self._leaving):
            await worker.gone.wait()

    def hurry(self) -> None:
        """Those that drain are to end now."""
        for worker in self._leaving:
            self._tell(worker, {"do": "drain"})

    def reap(self) -> None:
        """SIGCHLD: some may have ended."""
        for worker in self._all():
            with suppress(ChildProcessError):
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, os.waitstatus_to_exitcode(status))

    def _all(self) -> list[Worker]:
        return [*self._workers.values(), *self._leaving]

    async def _begin(self, place: int) -> Worker:
        self._places.setdefault(place, Respawn())
        here, there = socket.socketpair()
        hatch, their_hatch = socket.socketpair()
        pid = fork(self.generation, of_worker(self.sockets, place), Ends(there, their_hatch), place)
        there.close()
        their_hatch.close()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel = Channel(lambda order: self._heard(worker, order))
        worker = Worker(place, pid, self.generation.number, channel, hatch, monotonic(), ready)
        self._workers[place] = worker
        await channel.open(here)
        return worker

    async def _heard(self, worker: Worker, order: Message) -> Message:
        """What a worker says of itself."""
        match order["do"]:
            case "ready":
                if worker.state == "starting":
                    worker.state = "serving"
                if not worker.ready.done():
                    worker.ready.set_result(None)
                for each in self.recordings.orders():
                    self._tell(worker, each)
            case "recorded":
                return await self.recordings.heard(order)
            case "failed" if not worker.ready.done():
                worker.ready.set_exception(Refused(order["why"]))
            case "goodbye":
                worker.families = order["families"]
        return {}

    def _dismiss(self, worker: Worker, *, gently: bool) -> None:
        worker.state = "leaving"
        self._leaving.add(worker)
        self._tell(worker, {"do": "drain", "gently": gently})

    def _tell(self, worker: Worker, order: Message) -> None:
        async def tell() -> None:
            with suppress(Lost, Refused):
                await worker.channel.ask(order)

        self._do(tell())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ended(self, worker: Worker, status: int) -> None:
        self._leaving.discard(worker)
        worker.gone.set()
        worker.channel.close()
        worker.hatch.close()
        self.departed = added([self.departed, lasting(worker.families)])
        if not worker.ready.done():
            worker.ready.set_exception(Lost(f"worker {worker.place} ended before it was ready, {_how(status)}"))
            worker.ready.exception()  # whether or not somebody waits for it
        if self._workers.get(worker.place) is worker:
            del self._workers[worker.place]
            if not self._stopping:
                self._replace(worker, status)

    def _replace(self, worker: Worker, status: int) -> None:
        delay = self._places[worker.place].delay(monotonic() - worker.began)
        when = f"in {delay:g} s, as those before did not last" if delay else "at once"
        logger.error("worker %d (pid %d) ended, %s; another begins %s", worker.place, worker.pid, _how(status), when)
        self.replaced += 1

        async def replace() -> None:
            await asyncio.sleep(delay)
            await self.calm.wait()
            if not self._stopping and worker.place in self._places and worker.place not in self._workers:
                new = await self._begin(worker.place)
                try:
                    await new.ready
                except (Refused, Lost) as error:
                    logger.error("worker %d: %s", new.place, error)

        self._do(replace())


def wanted_workers(config: model.Config) -> int:
    """auto: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if config.workers == "auto" else config.workers


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"
