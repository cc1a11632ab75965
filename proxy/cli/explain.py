"""`sluice explain`: what would happen to a request, and why."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from pathlib import Path

import click

from proxy.config.errors import ConfigErrors, printable
from proxy.config.loader import load
from proxy.inspector.text import lines
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.explain import BadQuestion, explain, question


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
