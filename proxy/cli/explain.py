"""`sluice explain`: what would happen to a request, and why."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from pathlib import Path

import click

from proxy.cli.admin import AdminRefused, ask
from proxy.config.errors import ConfigErrors, printable
from proxy.config.loader import load
from proxy.inspector.text import lines
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.explain import BadQuestion, explain, question, question_of


@click.command(name="explain")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field of the request.")
@click.option("-X", "--request", "method", default="GET", show_default=True, help="The method.")
@click.option("--fresh", is_flag=True, help="Do not ask a running proxy: caches begin empty, and are of nobody else.")
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON.")
def command(config: Path, url: str, headers: tuple[str, ...], method: str, fresh: bool, as_json: bool) -> None:
    """Tell what happens to a request for URL: its route, what each stage reads, writes and decides.

    The request is really made: filters run and the origin is asked. A proxy that runs with the admin listener of CONFIG
    answers it, with the caches as they are there; without one, or with --fresh, caches begin empty.
    """
    try:
        request = question(method, url, headers)
        file = load(config)
        story = None if fresh else ask(file.config.admin, "/explain", question_of(request))
        if story is None:
            with closing(Engine(code_cache())) as engine:
                story = asyncio.run(explain(file, engine, request))
    except (ConfigErrors, BadQuestion, AdminRefused) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(json.dumps(story, indent=2, ensure_ascii=False) if as_json else "\n".join(map(printable, lines(story))))
