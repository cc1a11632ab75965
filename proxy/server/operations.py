"""What the admin listener shows and does, over all workers."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from time import time
from typing import Any, Protocol

from proxy import __version__, admin
from proxy.admin import FilterState
from proxy.cache.purge import BadPurge, Purge
from proxy.config import model
from proxy.server.channel import Message
from proxy.server.dashboard import summed
from proxy.server.worker import Generation
from proxy.telemetry import Metrics
from proxy.telemetry.families import Family, added, render


class Workers(Protocol):
    """What is needed of a Crew."""

    replaced: int

    @property
    def generation(self) -> Generation: ...

    @property
    def serving(self) -> Sequence[object]: ...

    async def ask(self, order: Message, *, one: bool = False) -> Sequence[tuple[int, Message]]: ...

    async def ask_every(self, order: Message) -> Sequence[Message]: ...

    async def families(self) -> list[Family]: ...


class Operations:
    """reload: as admin.View has it."""

    def __init__(self, crew: Workers, reload: Callable[[], Awaitable[str | None]]) -> None:
        self.draining = False
        self.reloads = {"success": 0, "failure": 0}
        self._crew = crew
        self._reload = reload
        self._began = time()
        self._own = Metrics()

    def view(self) -> admin.View:
        return admin.View(
            filters=self._filters,
            draining=lambda: self.draining,
            upstreams=self._upstreams,
            metrics=self._metrics,
            config=lambda: self._config.model_dump(mode="json"),
            status=self._status,
            reload=self._reload,
        )

    @property
    def _config(self) -> model.Config:
        return self._crew.generation.file.config

    async def _filters(self) -> list[FilterState] | None:
        answers = await self._crew.ask({"do": "filters"})
        return [FilterState(**each) for each in answers[0][1]["filters"]] if answers else None

    async def _upstreams(self) -> list[object]:
        """Added up over workers; the health of an endpoint is what one of them finds."""
        answers = await self._crew.ask({"do": "upstreams"})
        found: list[object] = reduce(summed, (answer["upstreams"] for _, answer in answers), [])
        return found

    async def caches(self) -> list[object]:
        """What is in memory added up over workers; the disk they share."""
        answers = await self._crew.ask({"do": "caches"})
        found: list[object] = reduce(summed, (answer["caches"] for _, answer in answers), [])
        return found

    async def purge(self, purge: Purge) -> list[str]:
        """Answers when every worker has done it. One that cannot say so is replaced, and begins with nothing in memory.
        Raises BadPurge, or OSError."""
        answers = await self.purge_workers(purge)
        if not answers:
            raise OSError("no worker was there to write it down")
        return sorted({name for answer in answers for name in answer["names"]})

    async def purge_workers(self, purge: Purge) -> Sequence[Message]:
        """`purge`, by as many as there are."""
        answers = await self._crew.ask_every({"do": "purge", "purge": purge.to_json()})
        for answer in answers:
            if "bad" in answer:
                raise BadPurge(answer["bad"])
            if "failed" in answer:
                raise OSError(answer["failed"])
        return answers

    async def _metrics(self) -> bytes:
        return render([*added([await self._crew.families(), self._own.families()]), *self._of_processes()])

    def _of_processes(self) -> list[Family]:
        crew = self._crew
        outcomes = [["sluice_reloads_total", {"result": result}, n] for result, n in self.reloads.items()]
        return [
            _family("sluice_workers", "gauge", "Processes that serve", [["sluice_workers", {}, len(crew.serving)]]),
            _family(
                "sluice_workers_replaced", "counter", "Workers that ended unasked",
                [["sluice_workers_replaced_total", {}, crew.replaced]],
            ),
            _family("sluice_reloads", "counter", "Reloads", outcomes),
            _family(
                "sluice_generation", "gauge", "Number of the configuration in effect",
                [["sluice_generation", {}, crew.generation.number]],
            ),
        ]  # fmt: skip

    async def _status(self) -> Message:
        answers = await self._crew.ask({"do": "status"})
        filters = await self._filters()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime": round(time() - self._began, 3),
            "config": str(self._crew.generation.file.path),
            "generation": self._crew.generation.number,
            "draining": self.draining,
            "listeners": [str(listener.address) for listener in self._config.listeners],
            "workers": [{"worker": place, **answer} for place, answer in answers],
            "filters": [{"name": each.name, "digest": each.digest, "state": each.state} for each in filters or ()],
        }


def _family(name: str, kind: str, text: str, samples: list[list[Any]]) -> Family:
    return {"name": name, "type": kind, "help": text, "samples": samples}
