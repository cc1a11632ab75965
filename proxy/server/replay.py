"""Configurations beside each other, on recorded traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from proxy.chain import Entry
from proxy.config import model
from proxy.config.errors import ConfigError, ConfigErrors
from proxy.config.loader import ConfigFile
from proxy.inspector.record import Answer, Record
from proxy.inspector.replay import ADDED, VOLATILE, Origin, differences, replayed
from proxy.sandbox import Engine
from proxy.server.assemble import Assembly, Lasting, assemble
from proxy.telemetry import Metrics
from proxy.telemetry.metrics import cache_outcome


class Rerun:
    """A configuration with the recorded origin instead of its upstreams. Raises ConfigErrors."""

    def __init__(self, file: ConfigFile, engine: Engine, records: Sequence[Record]) -> None:
        if errors := list(_asking(file)):
            raise ConfigErrors(errors)
        self.origin = Origin(records)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """By cache and outcome."""
        lasting = Lasting(engine, Metrics(), lambda: self.origin.now, send=self.origin.send)
        self._assembly: Assembly = assemble(file, lasting)
        self._entry = Entry(self._assembly.routes)

    async def answer(self, record: Record) -> Answer:
        self.origin.missing = []
        answer, members = await replayed(record, self._entry, self.origin)
        self.outcomes.update(map(cache_outcome, members))
        return answer

    def close(self) -> None:
        self._assembly.close()


def _asking(file: ConfigFile) -> Iterator[ConfigError]:
    """Components that would reach others than the recorded origin."""
    for name, declared in file.config.filters.items():
        for index, grant in enumerate(declared.grants):
            if isinstance(grant, model.Grant) and grant.model_fields_set & {"http", "sockets"}:
                message = "lets it reach others by itself, which cannot be replayed"
                yield file.error(("filters", name, "grants", index), message)


@dataclass(slots=True)
class Outcome:
    """One exchange again. lines: its differences. missing: what it asked of the origin and nobody had recorded, so that
    nothing can be said of it."""

    record: Record
    lines: list[str]
    missing: list[str] = field(default_factory=list)


async def compare(
    records: Iterable[Record], rerun: Rerun, against: Rerun | None, ignored: frozenset[str]
) -> list[Outcome]:
    """Each record through a configuration, beside another one, or beside what was recorded.

    Beside what was recorded, what a proxy adds is left out, since its caches were not as empty as these.
    """
    outcomes = []
    for record in records:
        answer = await rerun.answer(record)
        if against is not None:
            before, left_out = await against.answer(record), ignored | VOLATILE
        else:
            before, left_out = record.answer or record.origin[0][1], ignored | VOLATILE | ADDED
        missing = rerun.origin.missing + (against.origin.missing if against is not None else [])
        outcomes.append(Outcome(record, [] if missing else differences(before, answer, left_out), missing))
    return outcomes
