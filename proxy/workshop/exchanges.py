"""Runs the exchanges of cases on the production host: the same stage, sandbox, memo and limits as behind a listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from proxy.chain import Stage
from proxy.config.model import Filter as Declared
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.body import Body
from proxy.http.fields import Fields
from proxy.sandbox import Engine
from proxy.server.assemble import compiled, guest_stage
from proxy.server.explain import question
from proxy.server.services import Served
from proxy.telemetry import FilterTally
from proxy.telemetry.app_log import GUEST_LOGGER, LEVELS
from proxy.upstream.dns import Resolver
from proxy.wasi.p3.http import Handler
from proxy.workshop import facts
from proxy.workshop.cases import PATIENCE, Case, CaseFile, show_observation
from proxy.workshop.facts import Facts

LEVEL_NAMES = {number: name for name, number in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """facts: what is so after an exchange. said: what was logged meanwhile, by the component and of its failure."""

    facts: Facts
    said: Sequence[str]


def run(file: CaseFile, declared: Declared, cases: Sequence[Case], engine: Engine) -> tuple[list[Outcome], bool]:
    """What comes of each, one after the other, in a component linked for these alone; and whether a step of any was
    answered from the memo. Raises ConfigErrors when this proxy would not take the component as it is declared."""
    return asyncio.run(_run(file, declared, cases, engine))


async def _run(file: CaseFile, declared: Declared, cases: Sequence[Case], engine: Engine) -> tuple[list[Outcome], bool]:
    name, declared = declared.component.stem, _patient(declared)
    resolver = Resolver()
    guest, _ = compiled(name, declared, engine, resolver, lambda option, said: file.error(("filter", *option), said))
    tally = FilterTally(name)
    stage = guest_stage(name, guest, declared, tally)
    try:
        outcomes = []
        for case in cases:
            with _recorded() as records:
                found = await _exchange(case, stage)
                if isinstance(guest, Served) and isinstance(guest.service, Handler):
                    await guest.service.rest()  # or the instance is not free for the next
            outcomes.append(_outcome(found, records))
    finally:
        guest.close()
    return outcomes, tally.memo_hits > 0


def _patient(declared: Declared) -> Declared:
    if "time" in declared.limits.model_fields_set:
        return declared
    return declared.model_copy(update={"limits": declared.limits.model_copy(update={"time": PATIENCE})})


async def _exchange(case: Case, stage: Stage) -> Facts:
    request = request_of(case)
    reads: dict[tuple[str, str], None] = {}
    request.observers = ((reads, frozenset()),)
    passed: list[Request] = []

    async def below(request: Request) -> Response:
        passed.append(request)
        return response_of(case)

    found: Facts = {}
    try:
        response = await stage(request, below)
        found |= facts.of_response(response, await _all(response.body))
        found["verdict",] = "next" if passed else "reply"
    except ProxyError as error:
        found["error",] = str(error)
    if passed:
        found |= facts.of_request(passed[0])
    return found | {("reads",): tuple(sorted(map(show_observation, reads)))}


def _outcome(found: Facts, records: Sequence[logging.LogRecord]) -> Outcome:
    """What the guest was doing when it failed is in the log; an error that it answered with is not."""
    lines = tuple(f"{LEVEL_NAMES[each.levelno]}: {each.getMessage()}" for each in records if each.name == GUEST_LOGGER)
    failure = next((each for each in records if each.name.startswith("proxy.stages.")), None)
    error = found.get(("error",)) if failure is None else _reason(failure)
    said = lines if failure is None else (*lines, failure.getMessage())
    return Outcome(found | {("error",): error, ("log",): lines}, said)


def _reason(failure: logging.LogRecord) -> str:
    """Why the run failed, without which request it was and where the guest was."""
    _, error, *_ = failure.args or ()
    return str(error)


def request_of(case: Case) -> Request:
    given = case.request
    lines = [f"{name}: {value}" for name, values in given.headers.items() for value in values]
    if given.cookies:
        lines.append("cookie: " + "; ".join(f"{name}={value}" for name, value in given.cookies.items()))
    request = question(given.method, given.url, lines)
    request.exchange.client = given.client
    request.notes = given.notes
    return request


def response_of(case: Case) -> Response:
    given = case.response
    lines = [(name.encode(), value.encode()) for name, values in given.headers.items() for value in values]
    body: Body = given.body if isinstance(given.body, bytes) else _Pieces(given.body)
    return Response(given.status, Fields(lines), body)


class _Pieces:
    """A response body that arrives in just these pieces."""

    length = None
    trailers = None

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._left = [piece for piece in pieces if piece]

    async def read(self) -> bytes:
        return self._left.pop(0) if self._left else b""

    def close(self) -> None:
        self._left.clear()


async def _all(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    read = b""
    while chunk := await body.read():
        read += chunk
    return read


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _recorded() -> Iterator[list[logging.LogRecord]]:
    """What the proxy and the guest log meanwhile, at the level that is the default of a configuration."""
    recorder = _Recorder()
    logger = logging.getLogger("proxy")
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [recorder], False
    logger.setLevel(logging.INFO)
    try:
        yield recorder.records
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
