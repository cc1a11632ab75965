"""`sluice explain`: what would happen to a request, and why."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.explain import BadQuestion, Story, explain, question


@click.command(name="explain")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field of the request.")
@click.option("-X", "--request", "method", default="GET", show_default=True, help="The method.")
def command(config: Path, url: str, headers: tuple[str, ...], method: str) -> None:
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
    for line in lines(story):
        click.echo(line)


def lines(story: Story) -> Iterator[str]:
    """The story as text."""
    request, response = story.request, story.response
    yield f"{request.method} {request.scheme}://{request.authority}{request.target}"
    yield f"route {story.route}" if story.route else "no route matches"
    for stage in story.stages:
        yield f"{stage['stage']} {stage.get('name', '')}".rstrip()
        tell = _TELLERS.get(stage["stage"])
        if tell is not None:
            yield from (f"  {line}" for line in tell(stage))
    yield f"response {response.status}"
    yield from (f"  {name.decode()}: {value.decode('utf-8', 'replace')}" for name, value in response.fields.lines)


def _filter(stage: dict[str, Any]) -> Iterator[str]:
    for step in stage["steps"]:
        yield f"{step['step']}: {_verdict(step['verdict'])}"
        for accessor, argument, value in step["read"]:
            yield f"  read {_reading(accessor, argument)}: {_shown(value)}"
            if accessor == "headers":
                yield "    (all fields: a cache above this filter can share nothing between clients that differ)"
        yield from (f"  wrote {edit}" for edit in step["wrote"])


def _cache(stage: dict[str, Any]) -> Iterator[str]:
    yield f"outcome: {stage['outcome']}"
    scheme, authority, path, query = stage["key"]
    yield f"key: {scheme}://{authority}{path}{'' if query is None else '?' + query}"
    selecting = [_reading(*observation) for observation in stage["selecting"]]
    yield f"selected by: {', '.join(selecting) or 'nothing else'}"


def _forward(stage: dict[str, Any]) -> Iterator[str]:
    yield f"{stage['method']} {stage['target']}: {stage['status']}"


_TELLERS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "filter": _filter,
    "cache": _cache,
    "forward": _forward,
}


def _reading(accessor: str, argument: str) -> str:
    return f"{accessor}({argument})" if argument else f"{accessor}()"


def _shown(value: object) -> str:
    return "none" if value is None else repr(value)


def _verdict(verdict: object) -> str:
    match verdict:
        case None:
            return "next"
        case bool():
            return "transforms the body" if verdict else "leaves the body alone"
        case _:
            return str(verdict)
