"""Recorded exchanges: what a client asked and got, and what the origin was asked meanwhile and answered."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from proxy.exchange import Request, Response
from proxy.exchange.story import EndStory, Sample, StageStory, url_of
from proxy.telemetry import REDACTED

Lines = list[tuple[str, str]]
"""Lower-case names, and values as latin-1, so that every byte survives."""


@dataclass(frozen=True, slots=True)
class Asked:
    """body: None when not all of it was kept."""

    method: str
    url: str
    lines: Lines
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    lines: Lines
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Record:
    """started: seconds since the epoch. route: "" where none is known. origin: in the order of asking."""

    client: str
    started: float
    route: str
    asked: Asked
    answer: Answer | None
    origin: list[tuple[Asked, Answer]] = field(default_factory=list)


def of_exchange(
    request: Request, asked: Sample, response: Response, answered: Sample, hidden: frozenset[str]
) -> Record:
    """Of an exchange with a trace, when it is over. request: as it came. hidden: fields whose values are left out."""
    exchange = request.exchange
    return Record(
        exchange.client,
        exchange.started,
        exchange.route,
        _asked(request, asked.whole, hidden),
        _answer(response, answered.whole, hidden),
        origin_of(exchange.trace or (), hidden),
    )


def origin_of(trace: Iterable[StageStory], hidden: frozenset[str] = frozenset()) -> list[tuple[Asked, Answer]]:
    """What `forward` stages got."""
    found: list[tuple[Asked, Answer]] = []
    for story in trace:
        if isinstance(story, EndStory) and story.answer is not None:
            method, _, url = story.request[0].partition(" ")
            lines = [(name, value) for name, _, value in (line.partition(": ") for line in story.request[1:])]
            asked = Asked(method, url, hide(lines, hidden), None)
            found.append((asked, _answer(story.answer, story.body.whole, hidden)))
    return found


def hide(lines: Lines, hidden: frozenset[str]) -> Lines:
    return [(name, REDACTED if name in hidden else value) for name, value in lines]


def _asked(request: Request, body: bytes | None, hidden: frozenset[str]) -> Asked:
    return Asked(request.method, url_of(request), hide(_text(request.fields.lines), hidden), body)


def _answer(response: Response, body: bytes | None, hidden: frozenset[str]) -> Answer:
    return Answer(response.status, hide(_text(response.fields.lines), hidden), body)


def _text(lines: Iterable[tuple[bytes, bytes]]) -> Lines:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]


def to_json(record: Record) -> dict[str, Any]:
    return {
        "client": record.client,
        "started": record.started,
        "route": record.route,
        "asked": _asked_to_json(record.asked),
        "answer": None if record.answer is None else _answer_to_json(record.answer),
        "origin": origin_to_json(record.origin),
    }


def origin_to_json(origin: Iterable[tuple[Asked, Answer]]) -> list[dict[str, Any]]:
    return [{"asked": _asked_to_json(asked), "answer": _answer_to_json(answer)} for asked, answer in origin]


def origin_from_json(data: Iterable[dict[str, Any]]) -> list[tuple[Asked, Answer]]:
    return [(_asked_from_json(each["asked"]), _answer_from_json(each["answer"])) for each in data]


def from_json(data: dict[str, Any]) -> Record:
    """What `to_json` made. Raises KeyError, TypeError or ValueError for anything else."""
    answer = data["answer"]
    return Record(
        data["client"],
        data["started"],
        data["route"],
        _asked_from_json(data["asked"]),
        None if answer is None else _answer_from_json(answer),
        origin_from_json(data["origin"]),
    )


def _asked_to_json(asked: Asked) -> dict[str, Any]:
    lines = [list(line) for line in asked.lines]
    return {"method": asked.method, "url": asked.url, "lines": lines, "body": _encoded(asked.body)}


def _answer_to_json(answer: Answer) -> dict[str, Any]:
    lines = [list(line) for line in answer.lines]
    return {"status": answer.status, "lines": lines, "body": _encoded(answer.body)}


def _asked_from_json(data: dict[str, Any]) -> Asked:
    return Asked(data["method"], data["url"], _lines(data["lines"]), _decoded(data["body"]))


def _answer_from_json(data: dict[str, Any]) -> Answer:
    return Answer(data["status"], _lines(data["lines"]), _decoded(data["body"]))


def _lines(data: Iterable[list[str]]) -> Lines:
    return [(name, value) for name, value in data]


def _encoded(body: bytes | None) -> str | None:
    return None if body is None else b64encode(body).decode()


def _decoded(body: str | None) -> bytes | None:
    return None if body is None else b64decode(body)
