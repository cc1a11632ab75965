"""Runs cases on the production host: the same stage, sandbox, memo and limits as behind a listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from proxy.config.model import Filter as Declared
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.body import Body
from proxy.http.fields import Fields
from proxy.sandbox import Engine
from proxy.server.assemble import compiled
from proxy.server.explain import question
from proxy.sluice.program import Program
from proxy.stages import filter as stage
from proxy.telemetry import FilterTally
from proxy.telemetry.app_log import GUEST_LOGGER, LEVELS
from proxy.workshop import facts
from proxy.workshop.cases import PATIENCE, Case, CaseFile, show_observation
from proxy.workshop.facts import Difference, Facts

LEVEL_NAMES = {number: name for name, number in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a case. remembered: its second run was answered, in whole or in part, from the memo. said: what was
    logged during the first, by the filter and of its failure."""

    differences: Sequence[Difference]
    remembered: bool
    said: Sequence[str]

    @property
    def passed(self) -> bool:
        return not self.differences


def try_case(file: CaseFile, index: int, engine: Engine) -> Trial:
    """Runs a case of a file twice, in a program of its own: the second run is answered from the memo where the filter
    permits, and must come out the same. Raises ConfigErrors when the component is no filter for this proxy."""
    case = file.suite.cases[index]
    declared = _declared(file.suite.filter, case)
    program, _ = compiled(
        declared.component.stem, declared, engine, lambda option, message: file.error(("filter", *option), message)
    )
    try:
        tally = FilterTally(program.name)
        live, said = _run(case, program, declared, tally)
        again, _ = _run(case, program, declared, tally)
    finally:
        program.close()
    given = facts.of_request(_request(case)) | facts.of_response(_response(case), _whole_body(case))
    remembered = tally.memo_hits > 0
    different = facts.differences(case, given, live)
    if remembered:
        different += facts.contradictions(live, again)
    return Trial(different, remembered, said)


def _declared(filter: Declared, case: Case) -> Declared:
    limits = filter.limits
    if "time" not in limits.model_fields_set:
        limits = limits.model_copy(update={"time": PATIENCE})
    config = filter.config if case.config is None else case.config
    return filter.model_copy(update={"limits": limits, "config": config})


def _run(case: Case, program: Program, declared: Declared, tally: FilterTally) -> tuple[Facts, Sequence[str]]:
    with _recorded() as record:
        under_test = stage.Filter(program, tally, fail_open=declared.on_error == "fail_open")
        found = asyncio.run(_exchange(case, under_test))
    failure = next((each for each in record if each.name == stage.logger.name), None)
    lines = tuple(f"{LEVEL_NAMES[each.levelno]}: {each.getMessage()}" for each in record if each.name == GUEST_LOGGER)
    found |= {("error",): None if failure is None else _reason(failure), ("log",): lines}
    return found, lines if failure is None else (*lines, failure.getMessage())


def _reason(failure: logging.LogRecord) -> str:
    """Why the run failed, without which request it was and where the guest was."""
    _, error, *_ = failure.args or ()
    return str(error)


async def _exchange(case: Case, under_test: stage.Filter) -> Facts:
    request = _request(case)
    reads: dict[tuple[str, str], None] = {}
    request.observers = ((reads, frozenset()),)
    passed: list[Request] = []

    async def below(request: Request) -> Response:
        passed.append(request)
        return _response(case)

    found: Facts = {}
    try:
        response = await under_test(request, below)
        found |= facts.of_response(response, await _all(response.body))
        found["verdict",] = "next" if passed else "reply"
    except ProxyError:
        pass  # it is in the log, with what the guest was doing
    if passed:
        found |= facts.of_request(passed[0])
    return found | {("reads",): tuple(sorted(map(show_observation, reads)))}


def _request(case: Case) -> Request:
    given = case.request
    lines = [f"{name}: {value}" for name, values in given.headers.items() for value in values]
    if given.cookies:
        lines.append("cookie: " + "; ".join(f"{name}={value}" for name, value in given.cookies.items()))
    request = question(given.method, given.url, lines)
    request.exchange.client = given.client
    request.notes = given.notes
    return request


def _response(case: Case) -> Response:
    given = case.response
    lines = [(name.encode(), value.encode()) for name, values in given.headers.items() for value in values]
    body: Body = given.body if isinstance(given.body, bytes) else _Pieces(given.body)
    return Response(given.status, Fields(lines), body)


def _whole_body(case: Case) -> bytes:
    body = case.response.body
    return body if isinstance(body, bytes) else b"".join(body)


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
