"""The story of an exchange as text: what `sluice explain` prints and `sluice inspect` shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from proxy.inspector.document import Document


def lines(story: Document) -> Iterator[str]:
    """The story as text."""
    request, response, failure = story["request"], story["response"], story["failure"]
    yield f"{request['method']} {request['url']}"
    yield from (f"  {line}" for line in request["headers"])
    yield f"route {story['route']}" if story["route"] else "no route matches"
    for stage in story["stages"]:
        yield f"{stage['stage']} {stage['name']}".rstrip()
        yield from (f"  {line}" for line in _TELLERS[stage["stage"]](stage))
    yield f"response {response['status']}, {response['bytes']} bytes"
    yield from (f"  {line}" for line in response["headers"])
    if failure is not None:
        yield f"failure {failure['type']}: {failure['detail']}"
    yield from (f"warning: {warning}" for warning in story["warnings"])


def _filter(stage: Document) -> Iterator[str]:
    for step in stage["steps"]:
        how = "remembered" if step["remembered"] else f"{step['microseconds']} µs"
        yield f"{step['step']}: {step['verdict']} ({how})"
        for read in step["read"]:
            yield f"  read {_reading(read)}: {_shown(read['value'])}"
        yield from (f"  wrote {edit}" for edit in step["wrote"])
    for message in ("request", "response"):
        if stage[f"{message}_diff"]:
            yield f"{message}:"
            yield from (f"  {line}" for line in stage[f"{message}_diff"])
    if stage["body"] is not None:
        yield f"body: read {stage['body']['read']} bytes, wrote {stage['body']['wrote']}"
        yield from (f"  {line}" for line in stage["body"]["diff"])
    yield from (f"log {line['level']}: {line['message']}" for line in stage["log"])
    if stage["failure"] is not None:
        yield f"failed: {stage['failure']}"


def _cache(stage: Document) -> Iterator[str]:
    yield f"outcome: {stage['outcome'] or 'none'}"
    if stage["reason"]:
        yield f"because: {stage['reason']}"
    yield f"key: {stage['key']}"
    selecting = [f"{_reading(read)} = {_shown(read['value'])}" for read in stage["selecting"]]
    yield f"selected by: {', '.join(selecting) or 'nothing else'}"
    if stage["advice"]:
        yield f"to be a hit: {stage['advice']}"


def _end(stage: Document) -> Iterator[str]:
    if stage["request"]:
        yield f"sent: {stage['request'][0]}"
        yield from (f"  {line}" for line in stage["request"][1:])
    answer = "no answer" if stage["status"] is None else f"answer: {stage['status']}"
    yield answer if stage["stage"] == "respond" else f"{answer} ({stage['microseconds']} µs)"


_TELLERS: dict[str, Callable[[Document], Iterator[str]]] = {
    "filter": _filter,
    "cache": _cache,
    "forward": _end,
    "serve": _end,
    "respond": _end,
}


def _reading(read: dict[str, Any]) -> str:
    return f"{read['accessor']}({read['argument']})"


def _shown(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
