"""`sluice explain`: what would happen to a request, and why."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from proxy.config.errors import ConfigErrors, printable
from proxy.config.loader import load
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.explain import BadQuestion, explain, question
from proxy.server.told import Document


@click.command(name="explain")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field of the request.")
@click.option("-X", "--request", "method", default="GET", show_default=True, help="The method.")
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON.")
def command(config: Path, url: str, headers: tuple[str, ...], method: str, as_json: bool) -> None:
    """Tell what happens to a request for URL: its route, what each stage reads, writes and decides.

    The request is really made: filters run and the origin is asked. Caches begin empty.
    """
    try:
        request = question(method, url, headers)
        file = load(config)
        with closing(Engine(code_cache())) as engine:
            story = asyncio.run(explain(file, engine, request))
    except (ConfigErrors, BadQuestion) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(json.dumps(story, indent=2, ensure_ascii=False) if as_json else "\n".join(map(printable, lines(story))))


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
    if stage["body"] is not None:
        yield f"body: read {stage['body']['read']} bytes, wrote {stage['body']['wrote']}"
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
