"""`sluice check`: everything that can be known to be wrong before a request comes."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from time import time

import click

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.server.code_cache import code_cache
from proxy.telemetry import Metrics
from proxy.workshop.doubts import doubts


@click.command(name="check")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Validate CONFIG without serving: also compiles and links every filter.

    Prints every mistake with its place on standard error, and exits with 2 when there are any. Warnings, of what is
    allowed and probably not meant, change nothing.
    """
    try:
        file = load(config)
        with closing(Engine(code_cache())) as engine:
            assemble(file, Lasting(engine, Metrics(), time)).close()
        for doubt in doubts(file):
            click.echo(str(doubt), err=True)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    click.echo(f"{config}: ok")
